from __future__ import annotations

import random

import orjson
import pytest

from tests.torture.oracle import Oracle


def stored(oracle: Oracle, *numbers: int) -> None:
    for payload in oracle.render(numbers, random.Random(0)):
        oracle.found_stored(oracle.examine(payload))


def test_what_is_acked_and_stored_once_is_in_order() -> None:
    oracle = Oracle(1, 4, beats=2)
    oracle.acked(range(4))

    stored(oracle, 0, 1, 2, 3)

    assert oracle.verdict().faults() == []


def test_what_is_acked_and_nowhere_is_lost() -> None:
    oracle = Oracle(1, 4, beats=2)
    oracle.acked([1, 2])

    stored(oracle, 1)

    assert oracle.verdict().faults() == ["1 lost: 2"]


def test_what_was_never_acked_owes_nothing() -> None:
    oracle = Oracle(1, 4, beats=2)

    stored(oracle, 3)

    assert oracle.verdict().faults() == []


def test_what_is_stored_twice_is_doubled_unless_doubles_are_expected() -> None:
    oracle = Oracle(1, 4, beats=2)

    stored(oracle, 0, 0)

    assert oracle.verdict().faults() == ["1 doubled: 0"]
    assert oracle.verdict().faults(may_double=True) == []


@pytest.mark.parametrize("place", ["dead letters", "failure store"])
def test_what_is_kept_aside_is_not_lost(place: str) -> None:
    oracle = Oracle(1, 4, beats=2)
    oracle.acked([2])

    (payload,) = oracle.render([2], random.Random(0))
    if place == "dead letters":
        oracle.found_dead_lettered(payload)
    else:
        oracle.found_failure_stored(oracle.examine(payload))

    assert oracle.verdict().faults() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("service", "nginx"), ("log", {"offset": 1}), ("agent", {"id": "other"})],
    ids="another {0}".format,
)
def test_what_is_stored_with_other_content_is_corrupt(field: str, value: object) -> None:
    oracle = Oracle(1, 4, beats=2)

    oracle.found_stored(oracle.examine(orjson.dumps({**oracle.event(2), field: value})))

    assert oracle.verdict().faults() == ["1 corrupt: 2"]


def test_a_changed_character_of_the_message_is_corruption() -> None:
    oracle = Oracle(1, 4, beats=2)
    event = oracle.event(2)

    event["message"] = event["message"][:-1] + "x"
    oracle.found_stored(oracle.examine(orjson.dumps(event)))

    assert oracle.verdict().faults() == ["1 corrupt: 2"]


@pytest.mark.parametrize(
    "event",
    [Oracle(1, 9, beats=2).event(8), Oracle(2, 4, beats=2).event(0), {"message": "hello"}, {}],
    ids=["a number too high", "another seed", "another message", "no message"],
)
def test_what_was_never_issued_is_invented(event: dict[str, object]) -> None:
    oracle = Oracle(1, 4, beats=2)

    oracle.found_stored(oracle.examine(orjson.dumps(event)))

    assert len(oracle.verdict().invented) == 1


def test_each_send_has_another_map_order_and_the_same_content() -> None:
    oracle = Oracle(1, 4, beats=2)
    chance = random.Random(5)

    sends = [oracle.render([1], chance)[0] for _ in range(8)]

    assert len(set(sends)) > 1
    assert {orjson.dumps(orjson.loads(send), option=orjson.OPT_SORT_KEYS) for send in sends} == {
        orjson.dumps(oracle.event(1), option=orjson.OPT_SORT_KEYS)
    }


def test_a_restarted_beat_reads_the_same_line_at_another_time() -> None:
    oracle = Oracle(1, 4, beats=2)

    first, second = oracle.event(1), oracle.event(1, life=1)

    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"@timestamp", "agent"}
