"""The rules of objects, names, limits; the peers' tests ask real nodes for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ptingest.tools.plan.refusals import RefusalCheck, Verdict
from ptingest.tools.plan.rules import read_rules

TIME = {"@timestamp": "2025-01-02T03:04:05Z"}
FLAT = {"subobjects": False, "properties": {"a": {"type": "long"}, "flat": {"type": "flattened"}}}


def check(mapping: dict[str, Any] | None = None, **limits: Any) -> RefusalCheck:
    return RefusalCheck(read_rules(mapping or {}, {"mapping": limits}))


def of(check: RefusalCheck, **members: Any) -> Verdict:
    return check.verdict(json.dumps({**TIME, **members}).encode())


def why(check: RefusalCheck, **members: Any) -> str:
    refusal = of(check, **members).refusal
    return "" if refusal is None else f"{refusal.field} {refusal.reason}"


def test_what_one_document_adds_the_next_one_meets() -> None:
    one = check()

    assert why(one, a=5) == ""
    assert why(one, a="text") == 'a "text" is no number, and the field is long'
    assert why(one, a={"b": 1}) == "a is an object, and the field is long"
    assert {name: field.type for name, field in one.new.items() if name == "a"} == {"a": "long"}


def test_a_refused_document_teaches_nothing() -> None:
    one = check({"properties": {"n": {"type": "long"}}})

    assert "n" in why(one, fresh=5, n="text")
    assert "fresh" not in one.new
    assert why(one, fresh="text") == ""


@pytest.mark.parametrize(
    ("mapping", "members", "words"),
    [
        ({"properties": {"o": {"properties": {}}}}, {"o": "x"}, "an object in the mapping"),
        ({"properties": {"o": {"properties": {}}}}, {"o": [{"a": 1}, 5]}, "here it is 5"),
        ({"properties": {"o": {"enabled": False}}}, {"o": 5}, ""),
        ({"dynamic": "strict"}, {"a": 1}, "strict"),
        ({"dynamic": False, "properties": {"@timestamp": {"type": "date"}}}, {"a": {"b": 1}}, ""),
        ({"properties": {"a": {"type": "alias", "path": "b"}}}, {"a": 1}, "alias"),
        ({}, {"": 1}, "empty part"),
        ({}, {"a..b": 1}, "empty part"),
        ({}, {"_id": 1}, "keeps for itself"),
        ({}, {"@timestamp": None}, "missing"),
        ({}, {"@timestamp": ["2025-01-02", "2025-01-03"]}, "more than one"),
        (FLAT, {"a": {"b": {"c": 1}}, "a.b.c": 2}, ""),
        ({}, {"a.": 1}, ""),
        ({}, {"...": 1}, "empty part"),
        (FLAT, {"": 1}, "without a name"),
        (FLAT, {"a": {"": 1, " ": 1}}, ""),
        ({"properties": {"f": FLAT}}, {"f": {" ": 1}}, "without a name"),
        ({"dynamic": "strict"}, {"a": None}, "strict"),
        ({"dynamic": "strict"}, {"a": []}, "strict"),
        ({"properties": {"a": {"type": "alias", "path": "b"}}}, {"a": [None]}, "alias"),
        ({"properties": {"a": {"type": "alias", "path": "b"}}}, {"a": []}, ""),
        (
            {"properties": {"a": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}},
            {"a": "x" * 32_767},
            "a.raw",
        ),
        (FLAT, {"flat": {"x": {"y": 1}}}, ""),
        (FLAT, {"flat": 5}, "flattened"),
    ],
)
def test_objects_and_names(mapping: dict[str, Any], members: dict[str, Any], words: str) -> None:
    found = why(check(mapping), **members)

    assert words in found
    assert bool(words) is bool(found)


@pytest.mark.parametrize(
    ("version", "values", "found"),
    [
        ((8, 19), [1, 2.5], "new with values of two types, long and float"),
        ((9, 5), [1, 2.5], ""),
        ((9, 5), [1, "text"], "no number"),
        ((9, 1), [1, 2.5], "may"),
        ((0, 0), [{"b": 1}, {"b": 2.5}], "may"),
        ((8, 19), [1, 2], ""),
        ((8, 19), [True, "x"], "boolean and text"),
    ],
)
def test_a_new_field_with_two_types_in_one_document_is_a_matter_of_the_version(
    version: tuple[int, int], values: list[Any], found: str
) -> None:
    one = check()
    one.rules.version = version

    verdict = of(one, a=values)

    if found == "may":
        assert verdict in (Verdict(None, ("a",)), Verdict(None, ("a.b",)))
    else:
        refusal = "" if verdict.refusal is None else verdict.refusal.reason
        assert (found in refusal, bool(refusal)) == (True, bool(found))


@pytest.mark.parametrize(
    ("version", "is_refused", "is_unsure"),
    [((8, 19), True, False), ((9, 1), False, True), ((9, 5), False, False)],
)
def test_an_object_in_a_date_that_may_be_malformed_is_a_matter_of_the_version(
    version: tuple[int, int], is_refused: bool, is_unsure: bool
) -> None:
    one = check({"properties": {"d": {"type": "date", "ignore_malformed": True}}})
    one.rules.version = version

    verdict = of(one, d={"a": 1})

    assert (verdict.refusal is not None, verdict.unjudged == ("d",)) == (is_refused, is_unsure)


@pytest.mark.parametrize("version", [(8, 19), (9, 5)])
def test_a_time_that_its_field_cannot_keep_is_refused_or_may_be(version: tuple[int, int]) -> None:
    one = check({"properties": {"d": {"type": "date"}}})
    one.rules.version = version

    verdict = of(one, d=-(1 << 63))

    assert (verdict.refusal is None, verdict.unjudged) == (
        version == (9, 5),
        ("d",) * (version == (9, 5)),
    )


def test_a_text_that_is_taken_for_a_number_is_refused_where_it_is_none() -> None:
    one = check({"numeric_detection": True})

    assert why(one, a="1f") == ""
    assert "is no number" in why(one, b="Infinity")
    assert "b" not in one.new


def test_a_dotted_name_is_the_object_that_it_names() -> None:
    one = check()

    assert why(one, **{"a.b": 1}) == ""
    assert "an object in the mapping" in why(one, a=1)
    assert set(one.rules.parents) == {"", "a"}


def test_the_limit_of_fields_refuses_or_leaves_unmapped() -> None:
    strict = check(total_fields={"limit": 2})
    lenient = check(total_fields={"limit": 2, "ignore_dynamic_beyond_limit": "true"})

    assert why(strict, a=1) == ""
    assert why(strict, b=1) == "b would be field 3, the limit is 2"
    assert why(lenient, a=1) == ""
    assert why(lenient, b=1) == ""
    assert lenient.beyond == {"b"}


def test_what_is_malformed_may_be_ignored_by_field_or_by_index() -> None:
    field = {"properties": {"a": {"type": "long", "ignore_malformed": True}}}

    assert why(check(field), a="text") == ""
    assert why(check({"properties": {"a": {"type": "long"}}}, ignore_malformed="true"), a="x") == ""
    assert "object" in why(check(field), a={"b": 1})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a":1,"a":2}', "a is there twice"),
        (b'{"o":{"b":1,"b":2}}', "b is there twice"),
        (b'{"a":' + b"9" * 1_001 + b"}", "1,001 characters"),
        (b'{"a":1e' + b"9" * 1_001 + b"}", "characters"),
    ],
)
def test_what_the_parser_of_elasticsearch_refuses(body: bytes, words: str) -> None:
    refusal = check().verdict(body).refusal

    assert refusal is not None
    assert words in f"{refusal.field} {refusal.reason}"


def test_fields_of_unknown_types_are_named_and_not_refused() -> None:
    verdict = of(check({"properties": {"p": {"type": "geo_point"}}}), p="POINT (1 2)")

    assert verdict == Verdict(None, ("p",))
