"""What the client library tells every few seconds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ptingest.kafka.statistics import LOST_REPORTS, SILENT_REPORTS, ClientStatistics


def told(state: str, *, high: int = 10, stable: int = -1001) -> str:
    told: dict[str, Any] = {
        "name": "ptingest",
        "brokers": {
            "127.0.0.1:9092/1": {"nodeid": 1, "state": state},
            "GroupCoordinator": {"nodeid": -1, "state": "INIT"},
        },
        "topics": {
            "logs": {
                "partitions": {
                    "0": {"hi_offset": high, "ls_offset": stable},
                    "-1": {"hi_offset": -1001, "ls_offset": -1001},
                }
            }
        },
        "cgrp": {"state": "up", "join_state": "steady"},
    }
    return json.dumps(told)


def test_ends_are_those_that_may_be_read() -> None:
    statistics = ClientStatistics()

    statistics.read(told("UP", high=10, stable=8))

    assert statistics.end_of("logs", 0) == 8
    assert statistics.end_of("logs", -1) is None
    assert statistics.end_of("logs", 1) is None
    assert statistics.group_state == "steady"


def test_a_member_that_asks_again_after_a_moment_waits_all_the_time() -> None:
    statistics = ClientStatistics()

    seen = []
    for state in ("init", "wait-join", "init", "init", "wait-join", "init", "init", "init"):
        statistics.read(json.dumps({"cgrp": {"state": "up", "join_state": state}}))
        seen.append(statistics.is_joining)

    assert seen == [False, True, True, True, True, True, True, False]


def test_no_connected_broker_is_a_trouble_with_the_last_error_until_one_answers() -> None:
    statistics = ClientStatistics()
    statistics.last_error = "_TRANSPORT: connection refused"

    seen = []
    for state in ("DOWN", "CONNECT", "UP"):
        statistics.read(told(state))
        seen.append(statistics.trouble)

    # The first report may be of the moment in which a connection is made again.
    assert seen == [None, "no broker answers (_TRANSPORT: connection refused)", None]


def test_a_start_without_an_error_is_no_trouble() -> None:
    statistics = ClientStatistics()

    statistics.read(told("CONNECT"))

    assert statistics.trouble is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"brokers": 3}', b"\xff"])
def test_a_report_in_another_form_changes_nothing(text: str | bytes) -> None:
    statistics = ClientStatistics()
    statistics.read(told("UP"))

    statistics.read(text)

    assert statistics.end_of("logs", 0) == 10


def test_no_connected_broker_for_long_is_a_trouble_also_where_nothing_failed() -> None:
    statistics = ClientStatistics()

    for _ in range(SILENT_REPORTS):
        assert statistics.trouble is None
        statistics.read('{"brokers": {}}')

    assert statistics.trouble == "no broker answers (none is connected)"


def test_brokers_are_lost_after_more_reports_without_any_and_found_again_with_one() -> None:
    statistics = ClientStatistics()

    seen = []
    for _ in range(LOST_REPORTS):
        seen.append(statistics.is_lost)
        statistics.read('{"brokers": {}}')
    was_lost = statistics.is_lost
    statistics.read(told("UP"))

    assert not any(seen)
    assert was_lost
    assert not statistics.is_lost
