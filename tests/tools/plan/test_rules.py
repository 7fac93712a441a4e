from __future__ import annotations

from typing import Any

import pytest

from ptingest.tools.plan.rules import Field, Parent, new_field, read_rules, with_types
from ptingest.tools.setup.plan import Wanted, mappings_body, settings_body

MAPPING: dict[str, Any] = {
    "properties": {
        "name": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
        "host": {"dynamic": "strict", "properties": {"ip": {"type": "ip"}}},
        "off": {"type": "object", "enabled": "false"},
    }
}


def test_objects_and_fields_of_fields_count_towards_the_limit() -> None:
    rules = read_rules(MAPPING, {"mapping": {"total_fields": {"limit": "7"}}})

    assert set(rules.fields) == {"name", "host.ip"}
    assert rules.parents["host"] == Parent("strict")
    assert rules.parents["off"] == Parent(is_enabled=False)
    assert (rules.size, rules.limit) == (5, 7)


def test_an_empty_mapping_has_the_defaults_of_elasticsearch() -> None:
    rules = read_rules({}, {})

    assert rules.parents == {"": Parent("true")}
    assert (rules.limit, rules.depth, rules.size) == (1_000, 20, 0)
    assert rules.detects_dates
    assert not rules.ignores_malformed


def test_setups_template_refuses_no_value_and_has_no_objects() -> None:
    settings = settings_body(Wanted())["template"]["settings"]["index"]

    rules = read_rules(mappings_body()["template"]["mappings"], settings)

    assert rules.parents == {"": Parent("true", has_subobjects=False)}
    assert rules.ignores_malformed
    assert rules.ignores_beyond_limit
    assert not rules.detects_dates


@pytest.mark.parametrize(
    ("templates", "path", "kind", "wanted"),
    [
        ([], "a", "string", "text"),
        ([], "a", "double", "float"),
        ([{"match": "a*", "mapping": {"type": "ip"}}], "x.ab", "string", "ip"),
        ([{"match": "a*", "mapping": {"type": "ip"}}], "ab.x", "string", "text"),
        ([{"path_match": "a.*", "mapping": {"type": "ip"}}], "a.x", "string", "ip"),
        ([{"match": "*", "unmatch": "b", "mapping": {"type": "ip"}}], "b", "string", "text"),
        ([{"match": "b+", "match_pattern": "regex", "mapping": {"type": "ip"}}], "b", "long", "ip"),
        ([{"match_mapping_type": "long", "mapping": {"type": "ip"}}], "b", "string", "text"),
        ([{"match": ["b", "c"], "mapping": {}}], "c", "string", "text"),
    ],
)  # fmt: skip
def test_the_first_dynamic_template_that_fits_maps_a_new_field(
    templates: list[dict[str, Any]], path: str, kind: str, wanted: str
) -> None:
    rules = read_rules({"dynamic_templates": [{"one": body} for body in templates]}, {})

    found = new_field(rules, path, kind)

    assert found is not None
    assert found.type == wanted


def test_a_template_may_leave_a_field_unmapped() -> None:
    body = {"match": "*", "mapping": {"dynamic": False}}

    assert new_field(read_rules({"dynamic_templates": [{"x": body}]}, {}), "a", "string") is None


def test_types_alone_keep_the_options_of_fields_of_the_same_type() -> None:
    rules = read_rules({"properties": {"a": {"type": "keyword", "ignore_above": 5}}}, {})

    found = with_types(rules, {"a": "keyword", "b": "long", "c": "object"})

    assert found.fields["a"].options["ignore_above"] == 5
    assert found.fields["b"] == Field("long")
    assert with_types(rules, {"a": "text"}).fields == {"a": Field("text")}
