"""When a document that is there already counts as safe."""

from __future__ import annotations

import json

import pytest

from ptingest.model.document import Document
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH
from ptingest.sinks.elasticsearch.unsynced import (
    LONG_ENOUGH_SECONDS,
    MOST_CHARACTERS,
    Place,
    Shards,
    ShardState,
    Unsynced,
    place_of_conflict,
    read_shards,
    shards_targets,
)
from tests.support.documents import document

OURS = {ELASTICSEARCH.product_header: ELASTICSEARCH.product}
HERE = Place(".ds-one", "0")


def at(max_seq_no: int, checkpoint: int, place: Place = HERE) -> Shards:
    return {place: ShardState(max_seq_no, checkpoint)}


class Asking:
    """One document that is asked about again and again."""

    def __init__(self, place: Place = HERE) -> None:
        self.document: Document = document(key="k")
        self.place, self.unsynced = place, Unsynced()

    def is_safe(self, shards: Shards, asked_at: float = 0.0, *, took: float = 0.0) -> bool:
        self.unsynced.saw({self.document: self.place}, asked_at + took)
        safe, others = self.unsynced.take_safe([self.document], shards, asked_at)
        assert len(safe) + len(others) == 1
        return bool(safe)


@pytest.mark.parametrize(
    ("answers", "safe"),
    [
        ([at(9, 9)], [True]),
        ([at(-1, -1)], [True]),
        ([at(9, 8), at(9, 9)], [False, True]),
        # What is begun later does not matter.
        ([at(9, 8), at(50, 9)], [False, True]),
        ([at(9, 5), at(50, 8), at(60, 9)], [False, False, True]),
        # Another copy is the primary now, and had begun less.
        ([at(9, 5), at(7, 6), at(7, 7)], [False, False, True]),
        # Of another shard, and of another index.
        ([at(9, 9, Place(".ds-one", "1"))], [False]),
        ([at(9, 9, Place(".ds-two", "0"))], [False]),
        ([{}], [False]),
    ],
)
def test_safe_is_what_the_checkpoint_covers(answers: list[Shards], safe: list[bool]) -> None:
    asking = Asking()

    assert [asking.is_safe(shards) for shards in answers] == safe


def test_where_no_checkpoint_is_known_time_decides() -> None:
    asking = Asking()

    assert not asking.is_safe({}, 5.0)
    assert not asking.is_safe({}, 5.0 + LONG_ENOUGH_SECONDS - 0.1)
    assert asking.is_safe({}, 5.0 + LONG_ENOUGH_SECONDS)


def test_the_time_that_an_answer_takes_proves_nothing() -> None:
    asking = Asking()

    assert not asking.is_safe({}, 0.0, took=5.0)
    assert not asking.is_safe({}, 5.0 + LONG_ENOUGH_SECONDS - 0.1, took=60.0)
    assert asking.is_safe({}, 5.0 + LONG_ENOUGH_SECONDS)


def test_where_a_checkpoint_is_known_time_does_not_decide() -> None:
    asking = Asking()

    assert not asking.is_safe(at(9, 8), 0.0)
    assert not asking.is_safe(at(20, 8), 1000.0)


def test_a_document_whose_own_number_is_known_waits_for_no_other() -> None:
    asking = Asking()
    assert not asking.is_safe(at(90, 7))

    asking.place = Place(".ds-one", seq_no=8)

    assert not asking.is_safe(at(95, 7))
    assert asking.is_safe(at(95, 8))


def test_a_number_that_the_primary_never_had_is_not_safe_there() -> None:
    asking = Asking(Place(*HERE[:2], seq_no=9))

    assert not asking.is_safe(at(8, 8))


def test_a_number_holds_for_the_answer_that_names_it() -> None:
    asking = Asking(Place(*HERE[:2], seq_no=9))
    assert not asking.is_safe(at(9, 8))

    # It was lost and written anew.
    asking.place = HERE

    assert not asking.is_safe(at(20, 15))
    assert asking.is_safe(at(30, 20))


def test_one_answer_that_is_missing_does_not_outweigh_those_before() -> None:
    asking = Asking()

    assert not asking.is_safe(at(9, 8), 0.0)
    assert not asking.is_safe(at(9, 8), 9.5)
    assert not asking.is_safe({}, 10.0)
    assert asking.is_safe({}, 10.5)


def test_in_another_index_everything_begins_anew() -> None:
    asking = Asking()
    assert not asking.is_safe(at(9, 8))

    asking.place = Place(".ds-two", "0")

    assert not asking.is_safe({**at(9, 9), **at(70, 69, asking.place)})
    assert asking.is_safe(at(70, 70, asking.place))


def test_what_is_known_of_a_shard_is_not_forgotten_when_the_next_answer_does_not_name_it() -> None:
    asking = Asking()
    assert not asking.is_safe(at(9, 8))

    asking.place = Place(".ds-one")

    assert asking.is_safe(at(50, 9))


def test_what_is_certain_is_forgotten() -> None:
    asking = Unsynced()
    documents = [document(key=str(n)) for n in range(3)]
    asking.saw(dict.fromkeys(documents, HERE), 0.0)

    asking.over(documents, but=documents[:1])

    assert list(asking._waiting) == documents[:1]


def test_what_another_write_forgot_meanwhile_is_not_safe() -> None:
    asking, gone = Unsynced(), document(key="k")

    assert asking.take_safe([gone], at(9, 9), 1000.0) == ([], [gone])
    assert list(asking.places([gone])) == []
    assert asking.indices([gone]) == []


def stats(shards: dict[str, list[dict[str, object]]]) -> Answer:
    return Answer(200, OURS, json.dumps({"indices": {".ds-one": {"shards": shards}}}).encode())


def copy(max_seq_no: int, checkpoint: int, *, primary: bool = True) -> dict[str, object]:
    state = {"max_seq_no": max_seq_no, "local_checkpoint": 3, "global_checkpoint": checkpoint}
    return {"routing": {"primary": primary}, "seq_no": state}


def test_the_primary_of_each_shard_is_read() -> None:
    answer = stats({"0": [copy(9, 3, primary=False), copy(9, 8)], "1": [copy(5, 5)]})

    assert read_shards(answer) == {**at(9, 8), **at(5, 5, Place(".ds-one", "1"))}


def test_a_shard_that_is_alone_is_found_without_its_number() -> None:
    assert read_shards(stats({"0": [copy(9, 8)]})) == {**at(9, 8), **at(9, 8, Place(".ds-one"))}
    # The other shard of this index has no primary now.
    assert Place(".ds-one") not in read_shards(stats({"1": [copy(9, 8)]}))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {}, b'{"indices":{}}'),
        Answer(403, OURS, b'{"error":{"type":"security_exception"}}'),
        Answer(404, OURS, b"{}"),
        Answer(200, OURS, b"{"),
        Answer(200, OURS, b"[]"),
        Answer(200, OURS, b'{"indices":{"a":{"shards":{"0":[{"routing":{"primary":true}}]}}}}'),
        Answer(None, failure="gone"),
        stats({"0": [copy(9, 8, primary=False)]}),
        stats({}),
    ],
)
def test_an_answer_that_says_nothing_is_no_state(answer: Answer) -> None:
    assert read_shards(answer) == {}


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (b'{"type":"version_conflict_engine_exception","shard":"3","index":".ds-one"}', ("3",)),
        (b'{"type":"version_conflict_engine_exception","index":".ds-one"}', (None,)),
        (b'{"index":".ds-one","shard":3}', None),
        (b'"version conflict"', None),
        (b"", None),
    ],
)
def test_a_conflict_names_its_index_and_shard(
    error: bytes, place: tuple[str | None] | None
) -> None:
    expected = Place("") if place is None else Place(".ds-one", *place)

    assert place_of_conflict(error) == expected


def test_many_indices_are_asked_about_in_several_requests() -> None:
    names = [f".ds-{number:0250}" for number in range(30)]

    targets = list(shards_targets(names))
    paths = [target.partition("/_stats/")[0] for target in targets]

    assert [name for path in paths for name in path[1:].split(",")] == names
    assert 1 < len(targets) < 5
    assert max(map(len, paths)) <= MOST_CHARACTERS + 1
    assert all("ignore_unavailable=true" in target for target in targets)


def test_the_name_of_an_index_is_one_part_of_the_path() -> None:
    (target,) = shards_targets(["a%41b", "größe"])

    assert target.startswith("/a%2541b,gr%C3%B6%C3%9Fe/_stats/")


def test_no_index_is_no_request() -> None:
    assert list(shards_targets([])) == []
