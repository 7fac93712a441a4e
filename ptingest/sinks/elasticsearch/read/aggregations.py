"""Counts of a view: what to ask Elasticsearch for, and what its answer says. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ptingest.errors import QueryInvalid
from ptingest.kql.fields import TEXT_FIELDS
from ptingest.kql.predicate import is_number, number_text
from ptingest.model.explore import FACETS, FACETS_MOST, Bar, Counts, Facet
from ptingest.sinks.elasticsearch.read.hits import SearchAnswer, time_of
from ptingest.sinks.elasticsearch.read.mapping import Mappings, value_field
from ptingest.sinks.elasticsearch.read.query import Clause
from ptingest.sinks.read.histogram import bars, steps_for

FACET_VALUES = 10
VALUES_A_QUESTION = 1_000
LEVELS_MOST = 20
EXTENT: dict[str, Any] = {
    "first": {"min": {"field": "@timestamp"}},
    "last": {"max": {"field": "@timestamp"}},
}
"""Asks for the first and last time there is."""
_BARS, _LEVEL = "bars", "log_level"

Aggregations = dict[str, Any]


def count_aggregations(
    facets: Sequence[str], mappings: Mappings, *, first: str, last: str
) -> Aggregations:
    """Return what counts a view: by level over time, and by the values of fields.

    Raises:
        QueryInvalid: a facet was asked for whose values cannot be counted.
    """
    check_facets(facets, mappings)
    step = steps_for(first, last)[0]
    by_time: dict[str, Any] = {
        "date_histogram": {
            "field": "@timestamp",
            "fixed_interval": f"{step}s",
            "min_doc_count": 1,
        }
    }
    level = value_field(_LEVEL, mappings)
    if level is not None:
        by_time["aggs"] = {"levels": {"terms": {"field": level, "size": LEVELS_MOST}}}
    wanted: Aggregations = {_BARS: by_time}
    for number, name in enumerate(facets):
        field = value_field(name, mappings)
        if field is not None:
            wanted[f"values_{number}"] = {"terms": {"field": field, "size": FACET_VALUES}}
            wanted[f"different_{number}"] = {"cardinality": {"field": field}}
            wanted[f"missing_{number}"] = {"missing": {"field": field}}
    return wanted


def check_facets(facets: Sequence[str], mappings: Mappings) -> None:
    """Refuse more facets than may be, and those whose values cannot be counted.

    Raises:
        QueryInvalid: which, and what is allowed.
    """
    if len(facets) > FACETS_MOST:
        raise QueryInvalid(
            query=",".join(facets),
            column=1,
            seen=f"{len(facets)} facets",
            expected=f"at most {FACETS_MOST}",
        )
    for name in facets:
        is_text = name in TEXT_FIELDS or (name in mappings and value_field(name, mappings) is None)
        if is_text and name not in FACETS:
            raise QueryInvalid(
                query=name,
                column=1,
                seen=f"a facet of {name!r}",
                expected="a field whose values can be counted (a keyword, a number, an "
                "ip); texts are searched word by word",
            )


def counts_of(answer: SearchAnswer, facets: Sequence[str], *, first: str, last: str) -> Counts:
    """Return the counts in an answer to ``count_aggregations``."""
    found, documents = answer.aggregations, answer.hits.total.value
    step = steps_for(first, last)[0]
    times = Counter(dict(_levels(_buckets(found, _BARS))))
    shown: list[Bar] = list(bars(times, step, first, last)) if times else []
    return Counts(
        documents,
        answer.is_whole,
        None,
        step,
        shown,
        0,
        [_facet(found, number, name, documents) for number, name in enumerate(facets)],
    )


def _levels(
    buckets: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[tuple[str, str | None], int]]:
    for bucket in buckets:
        time, rest = time_of(bucket.get("key")), int(bucket.get("doc_count", 0))
        if time is None:
            continue
        for level in _buckets(bucket, "levels"):
            count = int(level.get("doc_count", 0))
            rest -= count
            yield (time, text_of(level)), count
        if rest > 0:
            yield (time, None), rest


def _facet(found: Mapping[str, Any], number: int, name: str, documents: int) -> Facet:
    if f"values_{number}" not in found:
        return Facet(name, [(None, documents)] if documents else [], 0)
    rows = [
        (text_of(bucket), int(bucket["doc_count"]))
        for bucket in _buckets(found, f"values_{number}")
    ]
    different = int(found.get(f"different_{number}", {}).get("value", 0))
    missing = int(found.get(f"missing_{number}", {}).get("doc_count", 0))
    values: list[tuple[str | None, int]] = [*rows]
    if missing:
        values.append((None, missing))
    values.sort(key=lambda one: -one[1])
    return Facet(name, values, max(0, different - len(rows)))


def _buckets(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    inner = found.get(name)
    buckets = inner.get("buckets") if isinstance(inner, dict) else None
    return buckets if isinstance(buckets, list) else []


def count_by_body(query: Clause, field: str, after: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a search for the next values of a field, each with its documents."""
    values: dict[str, Any] = {
        "size": VALUES_A_QUESTION,
        "sources": [{"value": {"terms": {"field": field, "missing_bucket": True}}}],
    }
    if after is not None:
        values["after"] = after
    return {
        "size": 0,
        "track_total_hits": False,
        "query": query,
        "aggs": {"values": {"composite": values}},
    }


def counted_values(
    answer: SearchAnswer,
) -> tuple[list[tuple[str | None, int]], dict[str, Any] | None]:
    """Return the values in the answer to ``count_by_body``, None for documents without the field,
    and where the next ones begin; None after the last."""
    found = answer.aggregations.get("values", {})
    rows = [
        (_value_text(bucket["key"]["value"]), int(bucket["doc_count"]))
        for bucket in _buckets(answer.aggregations, "values")
    ]
    return rows, found.get("after_key")


def _value_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    return number_text(value) if is_number(value) else str(value)


def value_buckets(answer: SearchAnswer, name: str) -> list[tuple[str, int]]:
    """Return the values in an answer to one aggregation, with their documents."""
    return [
        (text_of(bucket), int(bucket["doc_count"]))
        for bucket in _buckets(answer.aggregations, name)
    ]


def text_of(bucket: Mapping[str, Any]) -> str:
    """Return a bucket's value as text: true, an ip and a time as Elasticsearch writes them."""
    key = bucket.get("key_as_string", bucket.get("key"))
    return number_text(key) if is_number(key) else str(key)
