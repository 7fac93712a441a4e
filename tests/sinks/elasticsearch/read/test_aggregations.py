from __future__ import annotations

import pytest

from ptingest.errors import QueryInvalid
from ptingest.model.explore import FACETS, FACETS_MOST, Facet
from ptingest.sinks.elasticsearch.read.aggregations import (
    count_aggregations,
    count_by_body,
    counted_values,
    counts_of,
    value_buckets,
)
from ptingest.sinks.elasticsearch.read.hits import Found, SearchAnswer, Total
from ptingest.sinks.elasticsearch.read.mapping import FieldMapping

KEYWORD = FieldMapping(frozenset({"keyword"}))
MAPPINGS = {
    "service": KEYWORD,
    "log_level": KEYWORD,
    "note": FieldMapping(frozenset({"text"}), is_aggregatable=False),
}
FIRST, LAST = "2025-01-02T03:00:00.000Z", "2025-01-02T03:00:59.999Z"


def test_only_fields_that_are_mapped_are_counted() -> None:
    wanted = count_aggregations(["service", "nothing"], MAPPINGS, first=FIRST, last=LAST)

    assert set(wanted) == {"bars", "values_0", "different_0", "missing_0"}
    assert wanted["bars"]["date_histogram"]["fixed_interval"] == "1s"
    assert wanted["bars"]["aggs"]["levels"]["terms"]["field"] == "log_level"


@pytest.mark.parametrize("facets", [["note"], ["event.original"], ["x"] * (FACETS_MOST + 1)])
def test_what_cannot_be_counted_is_refused(facets: list[str]) -> None:
    with pytest.raises(QueryInvalid, match="expected"):
        count_aggregations(facets, MAPPINGS, first=FIRST, last=LAST)


def test_usual_facets_are_never_refused() -> None:
    text = {FACETS[0]: MAPPINGS["note"]}

    assert "values_0" not in count_aggregations(FACETS, text, first=FIRST, last=LAST)


def test_an_answer_is_bars_by_level_and_values_with_those_that_lack_the_field() -> None:
    levels = {"buckets": [{"key": "ERROR", "doc_count": 2}]}
    answer = SearchAnswer(
        hits=Found(total=Total(5)),
        aggregations={
            "bars": {"buckets": [{"key": 1735786801000, "doc_count": 5, "levels": levels}]},
            "values_0": {
                "buckets": [
                    {"key": 1, "key_as_string": "true", "doc_count": 2},
                    {"key": 1.5, "doc_count": 1},
                ]
            },
            "different_0": {"value": 4},
            "missing_0": {"doc_count": 2},
        },
    )

    counts = counts_of(answer, ["x", "nothing"], first=FIRST, last=LAST)

    assert (counts.documents, counts.is_whole, counts.step_seconds) == (5, True, 1)
    assert len(counts.bars) == 60
    assert counts.bars[1].levels == {"ERROR": 2, None: 3}
    assert counts.facets == [
        Facet("x", [("true", 2), (None, 2), ("1.5", 1)], 2),
        Facet("nothing", [(None, 5)], 0),
    ]


def test_part_of_an_answer_is_a_lower_bound() -> None:
    counts = counts_of(SearchAnswer(timed_out=True), ["x"], first=FIRST, last=LAST)

    assert (counts.is_whole, counts.documents, counts.bars) == (False, 0, [])
    assert counts.facets == [Facet("x", [], 0)]


def test_values_of_a_field_are_counted_page_by_page() -> None:
    rows = [None, True, 5, 1.5, "a"]
    buckets = [{"key": {"value": value}, "doc_count": 1} for value in rows]
    answer = SearchAnswer(
        aggregations={"values": {"buckets": buckets, "after_key": {"value": "a"}}}
    )

    found, after = counted_values(answer)

    assert found == [(None, 1), ("true", 1), ("5", 1), ("1.5", 1), ("a", 1)]
    assert after == {"value": "a"}
    assert count_by_body({}, "x", after)["aggs"]["values"]["composite"]["after"] == after
    assert "after" not in count_by_body({}, "x", None)["aggs"]["values"]["composite"]
    assert counted_values(SearchAnswer()) == ([], None)


def test_buckets_are_values() -> None:
    answer = SearchAnswer(aggregations={"values": {"buckets": [{"key": "a", "doc_count": 2}]}})

    assert value_buckets(answer, "values") == [("a", 2)]
