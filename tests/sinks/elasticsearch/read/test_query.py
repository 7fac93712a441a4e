"""Queries as clauses; that they find what the store finds, `tests/peers/test_reading.py` says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ptingest.errors import QueryInvalid
from ptingest.kql.parser import parse
from ptingest.sinks.elasticsearch.read.mapping import FieldMapping
from ptingest.sinks.elasticsearch.read.query import (
    EVERYTHING,
    NOTHING,
    all_of,
    bounds,
    compile_query,
)

NOW = datetime(2025, 1, 2, 3, tzinfo=UTC)


def mapped(*types: str, **more: bool) -> FieldMapping:
    return FieldMapping(frozenset(types), **more)


MAPPINGS = {
    "service": mapped("keyword"),
    "message": mapped("text"),
    "n": mapped("long"),
    "ratio": mapped("double"),
    "ok": mapped("boolean"),
    "host.ip": mapped("ip"),
    "mixed": mapped("long", "keyword"),
    "event.original": mapped("keyword", is_searchable=False),
}


def compiled(text: str) -> dict[str, Any]:
    return compile_query(parse(text), text=text, now=NOW, mappings=MAPPINGS)


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("", EVERYTHING),
        ("service:django", {"term": {"service": "django"}}),
        ('service:"dj*"', {"term": {"service": "dj*"}}),
        ("service:dj*o", {"wildcard": {"service": {"value": "dj*o"}}}),
        (r"service:a\**?", {"wildcard": {"service": {"value": r"a\**\?"}}}),
        ("service:*", {"exists": {"field": "service"}}),
        ("n:5", {"match": {"n": {"query": "5", "lenient": True}}}),
        ("n:5*", NOTHING),
        ("ok:t*", NOTHING),
        ("mixed:5*", {"wildcard": {"mixed": {"value": "5*"}}}),
        ("nothing:x", {"match": {"nothing": {"query": "x", "lenient": True}}}),
        ("n > 5", {"range": {"n": {"gt": 5}}}),
        ("ratio <= 1.5", {"range": {"ratio": {"lte": 1.5}}}),
        ("n < abc", NOTHING),
        ("ok > a", NOTHING),
        (f"n >= {'9' * 30}", {"range": {"n": {"gte": 2**63 - 1}}}),
        ("service >= b", {"range": {"service": {"gte": "b"}}}),
        ("@timestamp > 2025-01-01", {"range": {"@timestamp": {"gt": "2025-01-01T23:59:59.999Z"}}}),
        ("@timestamp < now-1h", {"range": {"@timestamp": {"lt": "2025-01-02T02:00:00.000Z"}}}),
        ("_id:abc", {"ids": {"values": ["abc"]}}),
        ("_id:*", EVERYTHING),
        ("_index:logs-django-pt", {"term": {"_index": "logs-django-pt"}}),
        ("parcel", {"match_phrase": {"message": "parcel"}}),
        ('message:"a b"', {"match_phrase": {"message": "a b"}}),
        ("message:!", NOTHING),
        ("par*", {"wildcard": {"message": {"value": "par*"}}}),
        ("not not service:a", {"term": {"service": "a"}}),
        ("service:(a or b)", {"terms": {"service": ["a", "b"]}}),
    ],
)  # fmt: skip
def test_a_query_is_one_clause(text: str, clause: dict[str, Any]) -> None:
    assert compiled(text) == clause


def test_conditions_are_joined_without_scores() -> None:
    assert compiled("service:a and not n:1 and (ok:true or service:b)") == {
        "bool": {
            "filter": [
                {"term": {"service": "a"}},
                {"bool": {"must_not": [{"match": {"n": {"query": "1", "lenient": True}}}]}},
                {
                    "bool": {
                        "should": [
                            {"match": {"ok": {"query": "true", "lenient": True}}},
                            {"terms": {"service": ["b"]}},
                        ],
                        "minimum_should_match": 1,
                    }
                },
            ]
        }
    }


def test_a_written_word_that_is_several_is_searched_as_one_and_in_a_row() -> None:
    assert compiled("apps.par*") == {
        "bool": {
            "should": [
                {"wildcard": {"message": {"value": "apps.par*"}}},
                {
                    "intervals": {
                        "message": {
                            "all_of": {
                                "ordered": True,
                                "max_gaps": 0,
                                "intervals": [
                                    {"match": {"query": "apps"}},
                                    {"wildcard": {"pattern": "par*"}},
                                ],
                            }
                        }
                    }
                },
            ],
            "minimum_should_match": 1,
        }
    }


def test_a_data_stream_stands_for_its_backing_indices() -> None:
    clause = compiled("_index:logs-*-pt")

    assert clause["bool"]["should"] == [
        {"wildcard": {"_index": {"value": "logs-*-pt"}}},
        {"wildcard": {"_index": {"value": ".ds-logs-*-pt-*"}}},
    ]


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("event.original:x", 1, "not indexed.*message has the same text"),
        ("n:1 and _id:a*", 9, "a whole _id"),
        ("host.ip:10.*", 1, "which is mapped as ip"),
        ("message > a", 1, "the words of a text have no order"),
        ("_index > a", 1, "it has no order"),
        ("@timestamp:soon", 12, "a time like"),
    ],
)
def test_what_elasticsearch_cannot_answer_is_refused_with_what_to_write(
    text: str, column: int, words: str
) -> None:
    with pytest.raises(QueryInvalid, match=rf"(?s)column {column}: .*{words}"):
        compiled(text)


def test_bounds_are_times_and_a_data_stream() -> None:
    assert bounds(None, None, None) == []
    assert bounds("a", "b", "logs-x-pt") == [
        {"range": {"@timestamp": {"gte": "a", "lte": "b"}}},
        {"term": {"_index": "logs-x-pt"}},
    ]
    assert all_of([EVERYTHING, *bounds("a", None, None)]) == {"range": {"@timestamp": {"gte": "a"}}}
