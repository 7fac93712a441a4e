from __future__ import annotations

from ptingest.sinks.elasticsearch.read.mapping import (
    FieldMapping,
    names_in,
    read_field_caps,
    value_field,
)


def row(
    kind: str, *, searchable: bool = True, aggregatable: bool = True, meta: bool = False
) -> object:
    return {
        "type": kind,
        "searchable": searchable,
        "aggregatable": aggregatable,
        "metadata_field": meta,
    }


CAPS = {
    "fields": {
        "service": {"keyword": row("keyword")},
        "message": {"text": row("text", aggregatable=False)},
        "free": {"text": row("text", aggregatable=False)},
        "free.keyword": {"keyword": row("keyword")},
        "mixed": {"long": row("long"), "keyword": row("keyword", searchable=False)},
        "event": {"object": row("object", searchable=False, aggregatable=False)},
        "event.original": {"keyword": row("keyword", searchable=False, aggregatable=False)},
        "_index": {"_index": row("_index", meta=True)},
        "later": {"long": row("long"), "unmapped": row("unmapped")},
    }
}


def test_a_field_has_the_types_that_indices_give_it() -> None:
    found = read_field_caps(CAPS)

    assert found["service"] == FieldMapping(frozenset({"keyword"}))
    assert found["mixed"] == FieldMapping(frozenset({"long", "keyword"}), False, True)
    assert found["event.original"] == FieldMapping(frozenset({"keyword"}), False, False)
    assert found["later"].types == {"long"}
    assert "_index" not in found


def test_names_are_those_of_fields_with_values() -> None:
    assert names_in(read_field_caps(CAPS)) == [
        "event.original", "free", "free.keyword", "later", "message", "mixed", "service",
    ]  # fmt: skip


def test_values_of_a_text_are_those_of_its_keyword() -> None:
    found = read_field_caps(CAPS)

    names = ["service", "free", "message", "event", "event.original", "nothing"]
    assert [value_field(name, found) for name in names] == [
        "service", "free.keyword", None, None, None, None,
    ]  # fmt: skip


def test_what_is_no_answer_has_no_fields() -> None:
    assert read_field_caps({}) == read_field_caps({"fields": []}) == {}
