"""What is said of a buffer and of sources of Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.doctor.kafka import buffer_residue, findings_of_kafka, kafka_rows
from ptingest.doctor.server_facts import ServerFacts
from ptingest.model.finding import Finding

Row = dict[str, Any]
BUFFER: Row = {
    "topic": "ptingest", "topic_partitions": 8, "oldest_seconds": 0.0, "troubles": [],
    "events": {
        "received": 10, "appended": 7, "dead_lettered": 1, "given_back": 0, "outstanding": 2,
    },
}  # fmt: skip
SOURCE: Row = {
    "group": "pt", "partitions": 4, "lag": 12, "lag_growing_seconds": 0, "oldest_seconds": 0.2,
    "commit_error": None, "lost_records": 0, "troubles": [],
    "events": {"read": 1200, "settled": 1100, "given_back": 40, "outstanding": 60},
}  # fmt: skip


def findings(**status: Any) -> list[Finding]:
    facts = ServerFacts("http://here", status={"uptime_seconds": 3600.0, **status})
    return list(findings_of_kafka(facts))


def source_findings(**changes: Any) -> list[Finding]:
    return findings(kafka={"buffer": {**SOURCE, **changes}})


@pytest.mark.parametrize("status", [{}, {"buffer": None, "kafka": {}}])
def test_nothing_is_said_where_kafka_is_not_configured(status: Row) -> None:
    assert findings(**status) == []
    assert kafka_rows(status) == []


def test_what_is_well_is_told_in_numbers() -> None:
    found = findings(buffer=BUFFER, kafka={"buffer": SOURCE})

    assert [(one.mark, one.sentence) for one in found] == [
        ("ok", "buffer: 7 events appended to topic ptingest, 2 on their way"),
        (
            "ok",
            "source buffer: 1,200 events read from 4 partitions, 1100 safe, lag 12 records",
        ),
    ]


def test_a_record_that_waits_is_a_warning_before_readiness_tells_it() -> None:
    (found,) = findings(buffer={**BUFFER, "oldest_seconds": 9.0})

    assert found.mark == "warning"
    assert "has not confirmed a record for 9.0 s; 2 events" in found.found
    assert "under-replicated" in found.cure


def test_what_readiness_tells_is_not_told_twice() -> None:
    assert findings(buffer={**BUFFER, "oldest_seconds": 90.0, "troubles": ["no broker"]}) == []
    (one,) = source_findings(oldest_seconds=99.0, partitions=0, troubles=["no broker"])
    # Numbers help then, too, and are no praise.
    assert one.mark == "note"


@pytest.mark.parametrize(
    ("changes", "seen", "cure"),
    [
        ({"partitions": 0}, "no partition is assigned to this member of group pt", "--group pt"),
        ({"commit_error": "timed out"}, "offsets are not committed: timed out", "coordinator"),
        ({"oldest_seconds": 31.0}, "not safe for 31 s; 60 events are under way", "sinks"),
        (
            {"lag_growing_seconds": 360, "lag": 9000},
            "the lag has grown for 6 min 0 s, to 9,000 records",
            "add indexers",
        ),
        ({"lost_records": 3}, "3 records were deleted by Kafka before", "retention.ms"),
    ],
)
def test_each_trouble_of_a_source_has_its_cure(changes: Row, seen: str, cure: str) -> None:
    (found,) = source_findings(**changes)

    assert (found.mark, found.subject) == ("warning", "source buffer")
    assert seen in found.found
    assert cure in found.cure


@pytest.mark.parametrize(
    "changes", [{"lag_growing_seconds": 299}, {"oldest_seconds": 29.0}, {"lag": 1_000_000}]
)
def test_what_may_pass_is_no_warning(changes: Row) -> None:
    assert [one.mark for one in source_findings(**changes)] == ["ok"]


def test_a_group_that_is_just_dealing_its_partitions_out_is_well() -> None:
    found = findings(uptime_seconds=5.0, kafka={"kafka": {**SOURCE, "partitions": 0}})

    assert [one.mark for one in found] == ["ok"]


@pytest.mark.parametrize(("outstanding", "residue"), [(2, 0), (1, 1), (3, -1)])
def test_the_books_of_the_buffer_balance_or_not(outstanding: int, residue: int) -> None:
    events = {**BUFFER["events"], "outstanding": outstanding}

    assert buffer_residue({**BUFFER, "events": events}) == residue


def test_a_buffer_without_numbers_balances() -> None:
    assert buffer_residue({}) == 0


def test_a_row_for_the_buffer_and_for_each_source() -> None:
    buffer, source = kafka_rows({"buffer": BUFFER, "kafka": {"buffer": SOURCE}})

    assert (buffer.name, buffer.taken, buffer.safe, buffer.lag) == ("to ptingest", 10, 7, None)
    assert (source.name, source.taken, source.safe, source.lag) == ("source buffer", 1200, 1100, 12)
    assert (buffer.is_buffer, buffer.partitions) == (True, 8)
    assert (source.is_buffer, source.outstanding, source.oldest_seconds) == (False, 60, 0.2)
