"""What keeps a source from reading is told for as long as it is so."""

from __future__ import annotations

import json
import logging

import pytest

from ptingest.kafka.polled import Problem
from ptingest.kafka.statistics import ClientStatistics
from ptingest.sources.kafka.troubles import JOIN_SECONDS, LATE_COMMITS_SECONDS, SourceTroubles
from tests.fakes.clock import ManualClock

MISSING = Problem("UNKNOWN_TOPIC_OR_PART", "no such topic", "logs")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def troubles(clock: ManualClock) -> SourceTroubles:
    return SourceTroubles("indexers", clock)


def statistics(join_state: str, *, state: str = "up", broker: str = "UP") -> ClientStatistics:
    found = ClientStatistics()
    found.last_error = "_TRANSPORT: connection refused"
    told = {"brokers": {"1": {"state": broker}}, "cgrp": {"state": state, "join_state": join_state}}
    for _ in range(2):
        found.read(json.dumps(told))
    return found


@pytest.mark.parametrize(
    ("state", "join_state"), [("up", "wait-join"), ("up", "wait-sync"), ("wait-coord", "init")]
)
def test_a_member_that_is_not_let_in_is_a_trouble_after_a_while_until_it_is(
    troubles: SourceTroubles, clock: ManualClock, state: str, join_state: str
) -> None:
    joining = statistics(join_state, state=state)
    troubles.joins()
    at_first = troubles.sentences(joining)
    clock.advance(JOIN_SECONDS)
    later = troubles.sentences(joining)
    troubles.joined()

    assert at_first == []
    (sentence,) = later
    assert sentence.startswith("group indexers has not let this member in for 10 s")
    assert troubles.sentences(joining) == []


def test_a_member_that_has_nothing_to_join_for_is_no_trouble(
    troubles: SourceTroubles, clock: ManualClock
) -> None:
    troubles.joins()
    clock.advance(10 * JOIN_SECONDS)

    # No topic is there that a pattern finds.
    assert troubles.sentences(statistics("init")) == []
    assert troubles.sentences(statistics("wait-metadata")) == []


def test_while_no_broker_answers_only_that_is_told(
    troubles: SourceTroubles, clock: ManualClock
) -> None:
    troubles.joins()
    clock.advance(10 * JOIN_SECONDS)

    (sentence,) = troubles.sentences(statistics("init", state="query-coord", broker="DOWN"))

    assert sentence.startswith("no broker answers")


def test_what_keeps_a_member_from_reading_is_logged_when_it_begins_and_when_brokers_are_back(
    troubles: SourceTroubles, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    away, joining = statistics("init", broker="DOWN"), statistics("wait-join")
    troubles.joins()
    for told in (joining, away, away, joining):
        troubles.look(told)
    for _ in range(2):
        clock.advance(JOIN_SECONDS)
        troubles.look(joining)
    troubles.joined()
    troubles.look(joining)

    first, second, third = [record.getMessage() for record in caplog.records]
    assert first.startswith("no broker answers (_TRANSPORT: connection refused)")
    assert second == "brokers answer again"
    assert third.startswith("group indexers has not let this member in for 10 s")


def test_commits_that_fail_for_long_are_a_trouble_until_one_is_done(
    troubles: SourceTroubles, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock.advance(3600.0)
    troubles.committed(None)
    troubles.committed("NOT_COORDINATOR: moved")
    at_first = troubles.sentences(None)
    clock.advance(LATE_COMMITS_SECONDS + 1)
    troubles.committed("NOT_COORDINATOR: moved")
    later = troubles.sentences(None)
    troubles.committed(None)

    assert at_first == []
    assert later == ["no offset was committed for 31 s (NOT_COORDINATOR: moved)"]
    assert troubles.sentences(None) == []
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_topics_and_the_group_are_told_beside_each_other_and_logged_once(
    troubles: SourceTroubles, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        troubles.note(Problem("GROUP_AUTHORIZATION_FAILED", "not allowed", None))
        troubles.note_topics({"logs": MISSING})
    both = troubles.sentences(None)
    troubles.joined()
    troubles.note_topics({})

    assert both == [
        "group indexers cannot be used (GROUP_AUTHORIZATION_FAILED: not allowed)",
        "topic logs does not exist; it is read when it is made",
    ]
    assert len(caplog.records) == 2
    assert troubles.sentences(None) == []


def test_a_member_that_was_put_out_joins_again_and_is_no_trouble(
    troubles: SourceTroubles, caplog: pytest.LogCaptureFixture
) -> None:
    troubles.note(Problem("_MAX_POLL_EXCEEDED", "no poll for 300 s", None))

    assert "put out of its group (no poll for 300 s)" in caplog.text
    assert troubles.sentences(None) == []
