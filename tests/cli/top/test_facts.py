"""What `top` makes of two looks at a server."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ptingest.cli.top.facts import overview
from ptingest.doctor.server_facts import ServerFacts

Row = dict[str, Any]
RECEIVED = "ptingest_flow_received_events_total"
SETTLED = "ptingest_lane_settled_events_total"


def status(**changes: Any) -> Row:
    return {
        "version": "1.0",
        "pid": 7,
        "uptime_seconds": 100.0,
        "listening": "127.0.0.1:5044",
        "not_ready_because": [],
        "books": {
            "store": {"django": {"received": 50, "stored": 40, "in_flight": 10, "residue": 0}}
        },
        "budget": {"outstanding_bytes": 10, "limit_bytes": 100, "setting": "x"},
        "beats": {
            "connections": 1,
            "connections_limit": 10,
            "waiting_bytes": 0,
            "waiting_bytes_limit": 100,
            "accepting": True,
            "listed": [],
        },
        "services": {"django": {"heard_seconds_ago": 0.5, "last_lag_seconds": 1.0}},
        "lanes": {"store": {"in_flight": 1, "concurrency": 1, "backoff_seconds": 0.0}},
        "dead_letters": {"bytes": 0, "limit_bytes": 100, "waiting": 0, "trouble": None},
        "process": {"cpu_seconds": 10.0, "memory_bytes": 1 << 20},
        "loop_lag_seconds": 0.002,
        **changes,
    }


def facts(
    at: float = 1000.0,
    *,
    received: float = 50,
    stored: float = 40,
    acks: dict[float, float] | None = None,
    metrics: Row | None = None,
    **changes: Any,
) -> ServerFacts:
    return ServerFacts(
        "http://127.0.0.1:9600",
        status=status(**changes),
        metrics={
            RECEIVED: {("django",): received},
            SETTLED: {("stored", "django", "store"): stored},
            **(metrics or {}),
        },
        buckets={} if acks is None else {"ptingest_beats_ack_seconds": acks},
        asked_at=at,
    )


def connection(peer: str, events: int) -> Row:
    return {"peer": peer, "events": events, "windows": 1, "bytes": 1}


def beats(*rows: Row) -> Row:
    return {"connections": len(rows), "connections_limit": 1000, "listed": list(rows)}


def test_rates_are_what_grew_between_two_looks() -> None:
    before = facts(1000.0, received=50, stored=40, process={"cpu_seconds": 10.0})
    now = facts(1002.0, received=250, stored=220, process={"cpu_seconds": 11.0})

    shown = overview(before, now)

    assert shown["rates"] == {"received_per_second": 100.0, "stored_per_second": 90.0}
    assert shown["books"][0]["received_per_second"] == 100.0
    assert shown["process"]["cpu_share"] == 0.5


def test_with_two_sinks_an_event_is_stored_once() -> None:
    def two(at: float, stored: float) -> ServerFacts:
        rows = {("stored", "django", "a"): stored, ("stored", "django", "b"): stored}
        return facts(at, metrics={SETTLED: rows}, lanes={"a": {}, "b": {}})

    shown = overview(two(1.0, 0.0), two(2.0, 10.0))

    assert shown["rates"]["stored_per_second"] == 10.0


@pytest.mark.parametrize(
    "before",
    [
        None,
        facts(999.0, pid=8),
        facts(999.0, uptime_seconds=200.0),
        ServerFacts("there", failure="connection refused"),
    ],
    ids=["the first look", "another process", "a restart under the same pid", "it was away"],
)
def test_without_a_look_before_there_are_no_rates(before: ServerFacts | None) -> None:
    shown = overview(before, facts())

    assert shown["rates"] is None
    assert shown["books"][0]["received_per_second"] is None
    assert shown["process"]["cpu_share"] is None


def test_the_busiest_connection_is_first_and_a_new_one_counts_from_nothing() -> None:
    before = facts(1.0, beats=beats(connection("old:1", 1000), connection("slow:2", 5)))
    now = facts(
        2.0,
        beats=beats(connection("old:1", 1000), connection("slow:2", 6), connection("new:3", 50)),
    )

    rows = overview(before, now)["connections"]

    assert [(row["peer"], row["received_per_second"]) for row in rows] == [
        ("new:3", 50.0),
        ("slow:2", 1.0),
        ("old:1", 0.0),
    ]


def test_a_service_whose_books_do_not_balance_is_first() -> None:
    books = {"store": {"busy": {"received": 9}, "broken": {"received": 1, "residue": -1}}}

    rows = overview(None, facts(books=books))["books"]

    assert [(row["service"], row["difference"]) for row in rows] == [("broken", -1), ("busy", 0)]


def test_all_is_well_in_one_sentence() -> None:
    assert overview(None, facts())["well"] == {
        "is_well": True,
        "sentence": "All is well.",
        "cure": "",
    }


@pytest.mark.parametrize(
    ("now", "words", "cure"),
    [
        (facts(not_ready_because=["sink store: disk is full"]), "disk is full", "check --connect"),
        (facts(books={"store": {"django": {"residue": 1}}}), "do not balance: django by 1", "bug"),
        (ServerFacts("there", failure="refused"), "No answer: refused", "running"),
    ],
    ids=["not ready", "books", "away"],
)
def test_what_is_wrong_comes_with_its_cure(now: ServerFacts, words: str, cure: str) -> None:
    well = overview(None, now)["well"]

    assert not well["is_well"]
    assert words in well["sentence"]
    assert cure in well["cure"]


@pytest.mark.parametrize(
    ("now", "words", "cure"),
    [
        (
            facts(metrics={"ptingest_beats_oldest_window_seconds": {(): 99}}),
            "waits for 1 min 39 s",
            "sinks",
        ),
        (
            facts(dead_letters={"waiting": 3, "bytes": 1, "limit_bytes": 9}),
            "3 are waiting",
            "dead-letters list",
        ),
        (
            facts(budget={"outstanding_bytes": 95, "limit_bytes": 100}),
            "95 B of 100 B",
            "beats.limits.total_bytes",
        ),
    ],
    ids=["acks", "dead letters", "a limit"],
)
def test_a_warning_is_worth_a_look_while_the_server_is_well(
    now: ServerFacts, words: str, cure: str
) -> None:
    well = overview(None, now)["well"]

    assert well["is_well"]
    assert well["sentence"].startswith("Events are taken and kept safe; worth a look: ")
    assert words in well["sentence"]
    assert cure in well["cure"]


def test_the_worst_is_named_and_the_others_counted() -> None:
    now = facts(
        not_ready_because=["sink store: disk is full"],
        dead_letters={"waiting": 3, "bytes": 1, "limit_bytes": 9},
    )

    sentence = overview(None, now)["well"]["sentence"]

    assert "disk is full (and 1 more" in sentence


def test_acks_of_the_last_look_count_and_else_those_since_the_start() -> None:
    before = facts(1.0, acks={0.1: 100, 1.0: 100, math.inf: 100})
    slow = facts(2.0, acks={0.1: 100, 1.0: 110, math.inf: 110})

    recent, all_time = overview(before, slow)["acks"], overview(before, before)["acks"]

    assert (recent["since"], recent["p50_seconds"]) == ("last look", 0.55)
    assert (all_time["since"], all_time["p50_seconds"]) == ("start", 0.05)


def test_the_limit_nearest_to_full_is_first() -> None:
    rows = overview(None, facts())["limits"]

    assert [(row["name"], row["share"]) for row in rows[:2]] == [
        ("documents", 0.1),
        ("connections", 0.1),
    ]


@pytest.mark.parametrize(
    ("lane", "state"),
    [
        ({"trouble": "401"}, "in trouble"),
        ({"troubled_streams": [{"data_stream": "x"}]}, "streams in trouble"),
        ({"backoff_seconds": 1.5}, "backing off"),
        ({"in_flight": 1}, "writing"),
        ({}, "idle"),
    ],
)
def test_the_state_of_a_sink_is_one_word_or_two(lane: Row, state: str) -> None:
    assert overview(None, facts(lanes={"s": lane}))["sinks"][0]["state"] == state


def test_the_time_of_a_write_is_of_those_between_the_looks() -> None:
    def wrote(at: float, count: float, total: float) -> ServerFacts:
        name = "ptingest_lane_write_seconds"
        return facts(
            at, metrics={f"{name}_count": {("store",): count}, f"{name}_sum": {("store",): total}}
        )

    recent = overview(wrote(1.0, 10, 1.0), wrote(2.0, 12, 2.0))["sinks"][0]
    idle = overview(wrote(1.0, 10, 1.0), wrote(2.0, 10, 1.0))["sinks"][0]

    assert (recent["write_seconds"], idle["write_seconds"]) == (0.5, 0.1)


def test_rates_of_kafka_are_the_growth_between_two_looks() -> None:
    def source(read: int, settled: int) -> Row:
        return {"kafka": {"logs": {"events": {"read": read, "settled": settled}, "lag": 7}}}

    found = overview(facts(1000.0, **source(100, 90)), facts(1010.0, **source(300, 190)))

    (row,) = found["kafka"]
    assert (row["taken_per_second"], row["safe_per_second"], row["lag"]) == (20.0, 10.0, 7)


def test_a_source_that_was_not_there_before_has_no_rate() -> None:
    after = facts(1010.0, kafka={"logs": {"events": {"read": 5}}})

    (row,) = overview(facts(1000.0), after)["kafka"]

    assert (row["taken_per_second"], row["taken"]) == (None, 5)
