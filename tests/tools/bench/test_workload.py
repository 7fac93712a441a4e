"""A user's own lines as the windows a Beat would send."""

from __future__ import annotations

import orjson

from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits
from ptingest.tools.bench.workload import (
    ENOUGH_EVENTS,
    WINDOW_EVENTS,
    FilebeatEvents,
    Workload,
    make_workload,
)


def made(*records: bytes, **limits: int) -> Workload:
    workload = make_workload(records, **limits)
    assert workload is not None
    return workload


def test_no_record_makes_no_workload() -> None:
    assert make_workload([]) is None


def test_a_short_file_is_repeated_until_there_is_enough_to_measure() -> None:
    workload = made(b'{"a":1}', b'{"a":22}', b'{"a":333}')

    assert workload.events == ENOUGH_EVENTS
    assert [len(window) for window in workload.windows] == [WINDOW_EVENTS] * 4
    assert workload.own == [b'{"a":1}', b'{"a":22}', b'{"a":333}']
    assert workload.repeats == ENOUGH_EVENTS / 3
    assert workload.event_bytes == 8
    assert not workload.is_cut


def test_a_long_file_is_cut_and_says_so() -> None:
    workload = made(*[b'{"a":1}'] * 5001, enough_events=5000)

    assert (workload.events, workload.repeats, workload.is_cut) == (5000, 1, True)
    assert [len(window) for window in workload.windows] == [2048, 2048, 904]


def test_large_events_are_not_repeated_beyond_what_memory_is_meant_for() -> None:
    workload = made(*[b"x" * 1000] * 30, enough_bytes=70_000)

    assert workload.events == 60
    assert not workload.is_cut


def test_a_file_of_large_events_is_cut_by_bytes() -> None:
    workload = made(*[b"x" * 1000] * 30, enough_bytes=10_000)

    assert (workload.events, workload.is_cut) == (10, True)


def test_the_wire_holds_the_windows() -> None:
    workload = made(b'{"a":1}', b'{"b":2}', enough_events=3000)
    connection = ServerConnection(Limits())

    connection.receive_data(b"".join(workload.wires))
    seen = [connection.next_window(), connection.next_window()]

    assert [window and window.payloads for window in seen] == list(workload.windows)


def test_a_line_becomes_the_event_a_filebeat_would_send() -> None:
    events = FilebeatEvents(service="django", group="pt")

    first, second = (orjson.loads(events.wrap(line)) for line in (b"one\r", b"two\nmore \xff"))

    assert first["message"] == "one"
    assert (first["group"], first["service"]) == ("pt", "django")
    assert first["log"]["offset"] == 0
    assert second["log"]["offset"] == len(b"one\r\n")
    assert second["message"] == "two\nmore \N{REPLACEMENT CHARACTER}"
    assert second["log"]["flags"] == ["multiline"]
    assert first["agent"]["id"]
    assert first["host"]["os"]["family"] == "debian"


def test_lines_that_come_again_lie_further_on_in_their_file() -> None:
    workload = make_workload(
        [b"one", b"two"], wrap=FilebeatEvents(service="x", group="pt").wrap, enough_events=6
    )

    assert workload is not None
    offsets = [orjson.loads(event)["log"]["offset"] for event in workload.windows[0]]
    assert offsets == [0, 4, 8, 12, 16, 20]


def test_bytes_on_the_wire_are_those_of_events_that_are_not_repeated() -> None:
    lines = [b"line %d of its own" % (number * 7919) for number in range(100)]
    once = make_workload(lines, enough_events=100)
    often = make_workload(lines, enough_events=5000)

    assert once is not None
    assert often is not None
    assert once.wire_bytes == often.wire_bytes == len(once.wires[0]) / 100
