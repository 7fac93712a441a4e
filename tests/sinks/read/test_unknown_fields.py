from __future__ import annotations

import pytest

from ptingest.errors import QueryInvalid
from ptingest.model.explore import Hit, Sort, View
from ptingest.sinks.read.unknown_fields import named_fields, unknown_fields


def hit(body: str) -> Hit:
    return Hit("1", None, None, "logs-a-pt", None, body)


def test_the_fields_of_a_view_are_those_of_its_query_order_and_facets() -> None:
    view = View(
        "a:1 and not (b.c > 2 or word or service:x) and a:2", sort=Sort("d"), facets=("e", "stream")
    )

    assert named_fields(view) == ["a", "b.c", "d", "e"]


def test_a_query_that_cannot_be_read_has_no_fields() -> None:
    with pytest.raises(QueryInvalid):
        named_fields(View("a:"))


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        ("{}", ["a", "x.y"]),
        ('{"a":0}', ["x.y"]),
        ('{"x":{"y":false}}', ["a"]),
        ('{"x.y":"","a":null}', ["a"]),
        ("no JSON", ["a", "x.y"]),
    ],
)
def test_a_field_is_unknown_when_neither_names_nor_hits_have_it(
    body: str, unknown: list[str]
) -> None:
    known = ["log.file.path", "message"]

    found = unknown_fields(["a", "log.file", "x.y", "message"], known, [hit(body)])

    assert found == unknown
