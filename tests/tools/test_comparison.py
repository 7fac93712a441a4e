"""Compares documents of two programs, line by line."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.tools.comparison import ABSENT, compare, document_in


def placed(offset: int, **fields: Any) -> dict[str, Any]:
    return {"message": "m", "log": {"file": {"path": "/a.log"}, "offset": offset}, **fields}


def test_documents_belong_together_by_place() -> None:
    result = compare([placed(1, stream="a"), placed(2, stream="b")], [placed(2, stream="b")])

    assert result.is_same
    assert (result.compared, result.only_theirs) == (1, 0)


def test_without_a_place_the_first_of_a_message_belongs_to_the_first() -> None:
    ours = [{"message": "m", "n": 1}, {"message": "m", "n": 2}]

    assert compare(ours, list(ours)).is_same
    assert compare(ours, ours[::-1]).counts == {"n": 2}
    assert compare(ours, [*ours, ours[0]]).only_theirs == 1


def test_a_difference_is_counted_and_shown_once() -> None:
    ours = [placed(n, host={"name": "x"}) for n in range(3)]
    theirs = [placed(n, host={"name": "y"}, tags=[]) for n in range(3)]

    result = compare(ours, theirs)

    assert result.counts == {"host.name": 3, "tags": 3}
    assert result.examples == {"host.name": ("y", "x"), "tags": ([], ABSENT)}


def test_null_is_not_the_same_as_absent() -> None:
    assert compare([placed(1)], [placed(1, a=None)]).counts == {"a": 1}


def test_filebeats_own_time_is_not_compared() -> None:
    ours, theirs = placed(1, **{"@timestamp": "1"}), placed(1, **{"@timestamp": "2"})

    assert compare([ours], [theirs]).is_same

    ours["log_timestamp"] = theirs["log_timestamp"] = "t"
    assert not compare([ours], [theirs]).is_same


def test_nothing_compared_is_not_the_same() -> None:
    assert not compare([], [placed(1)]).is_same


@pytest.mark.parametrize(
    ("row", "document"),
    [
        ({"outcome": "indexed", "document": {"a": 1}}, {"a": 1}),
        ({"outcome": "dropped", "document": None}, None),
        ({"outcome": "dead_lettered", "document": {"a": 1}}, None),
        ({"_id": "x", "_source": {"a": 1}}, {"a": 1}),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_documents_come_as_they_are_as_hits_or_as_what_try_prints(
    row: dict[str, Any], document: dict[str, Any] | None
) -> None:
    assert document_in(row) == document
