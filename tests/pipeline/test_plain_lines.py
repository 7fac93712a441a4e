"""Log lines to events."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from ptingest.pipeline.plain_lines import as_events, constant_fields, filebeat_event, join_records


@pytest.mark.parametrize(
    ("lines", "records"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([b"INFO|a", b"DEBUG|b"], [b"INFO|a", b"DEBUG|b"], id="all begin a record"),
        pytest.param(
            [b"ERROR|a\r", b"Traceback", b"  x|y", b"INFO|b"],
            [b"ERROR|a\nTraceback\n  x|y", b"INFO|b"],
            id="a traceback joins its record",
        ),
        pytest.param([b" a", b"b c|", b"INFO|x"], [b" a\nb c|", b"INFO|x"], id="a torn beginning"),
    ],
)
def test_lines_that_begin_no_record_join_the_one_before(
    lines: list[bytes], records: list[bytes]
) -> None:
    assert list(join_records(lines)) == records


def test_an_endless_record_is_cut() -> None:
    lines = [b"x" * (4 << 20)] * 9

    assert [len(record) >> 20 for record in join_records(lines)] == [12, 12, 12]


def test_an_event_looks_as_a_beat_sends_it() -> None:
    before = datetime.now(UTC)

    (payload,) = as_events([b"caf\xe9\r"], service="django", group="pt")

    event = orjson.loads(payload)
    seconds = (datetime.fromisoformat(event.pop("@timestamp")) - before).total_seconds()
    assert -0.001 <= seconds < 4
    assert event == {"message": "caf\ufffd", "group": "pt", "service": "django"}


def test_an_event_has_the_members_that_filestream_gives_it() -> None:
    event = filebeat_event(
        b"one\ntwo \xff",
        at=datetime(2025, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        fields={"group": "pt"},
        metadata={"beat": "filebeat"},
        log={"offset": 7},
    )

    assert orjson.loads(event) == {
        "@timestamp": "2025-01-02T03:04:05.678Z",
        "@metadata": {"beat": "filebeat"},
        "message": "one\ntwo \N{REPLACEMENT CHARACTER}",
        "log": {"offset": 7, "flags": ["multiline"]},
        "group": "pt",
    }


def test_the_fields_of_an_input_come_in_the_order_that_filebeat_sends() -> None:
    fields = constant_fields(agent={"id": "1"}, host={"name": "web"}, group="pt")

    assert list(fields) == ["agent", "ecs", "host", "input", "group"]
    assert fields["host"] == {"name": "web"}
