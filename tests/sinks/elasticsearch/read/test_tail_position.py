from __future__ import annotations

import pytest

from ptingest.errors import QueryInvalid
from ptingest.sinks.elasticsearch.read.hits import SearchAnswer
from ptingest.sinks.elasticsearch.read.tail_position import (
    lasts_body,
    moved_on,
    read_position,
    stored_after,
    write_position,
)

FIRST = ".ds-logs-a-pt-2025.01.02-000001"


def test_a_position_is_read_as_it_was_written() -> None:
    position = {FIRST: 5, "plain": -1}

    text = write_position(position)

    assert read_position(text) == position
    assert not set(text) & set("+/&? ")


@pytest.mark.parametrize("text", ["", "5", "é", "W10=", "eyJhIjoieCJ9"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(QueryInvalid, match="a position"):
        read_position(text)


def test_an_index_that_the_position_lacks_is_new_with_all_its_documents() -> None:
    assert stored_after({FIRST: 5})["bool"]["should"] == [
        {"bool": {"filter": [{"term": {"_index": FIRST}}, {"range": {"_seq_no": {"gt": 5}}}]}},
        {"bool": {"must_not": [{"terms": {"_index": [FIRST]}}]}},
    ]


def test_a_position_moves_on_by_what_was_stored() -> None:
    buckets = [
        {"key": FIRST, "last": {"value": 7.0}},
        {"key": "new", "last": {"value": 0.0}},
        {"key": "odd", "last": {"value": None}},
    ]
    answer = SearchAnswer(aggregations={"indices": {"buckets": buckets}})

    assert moved_on({FIRST: 5, "other": 1}, answer) == {FIRST: 7, "other": 1, "new": 0}
    assert moved_on({FIRST: 5}, SearchAnswer()) == {FIRST: 5}


def test_each_index_is_asked_for_its_last_document() -> None:
    assert lasts_body(["a", "b"]).count(b"\n") == 4
