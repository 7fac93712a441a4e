"""What the templates are given; how it looks, `test_explore` says."""

from __future__ import annotations

import pytest

from ptingest.api.console.explore_address import ExploreAddress
from ptingest.api.console.explore_values import (
    FacetChoice,
    pointed,
    row_of,
    trace_address,
    whole_address,
)
from ptingest.api.console.explore_values import _choices as choices
from ptingest.api.console.explore_values import _span_words as span_words
from ptingest.api.console.highlights import Highlights
from ptingest.errors import QueryInvalid
from ptingest.model.explore import Facet, Hit

INDEX = ".ds-logs-a-pt-2025.01.02-000001"


def hit(body: str = '{"log_level":"ERROR","service":"a"}', **more: object) -> Hit:
    return Hit(f"{INDEX}/k&1", None, None, "logs-a-pt", "k&1", body)._replace(**more)


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        ("24h", "", ", of the last 24h"),
        ("", "", ""),
        ("24h", "now", ", from 24h to now"),
        ("2025-01-01", "", ", from 2025-01-01"),
    ],
)
def test_a_span_is_said_in_words(since: str, until: str, words: str) -> None:
    assert span_words(ExploreAddress("", since, until)) == words


def test_a_value_is_chosen_or_taken_out() -> None:
    asked = ExploreAddress("service:a")

    chosen, other, long = (
        choices(asked, Facet("service", [(value, 1)], 0)) for value in ("a", None, "x" * 2000)
    )

    assert chosen == [
        FacetChoice("a", 1, True, "/console/explore?q=",
                    "/console/explore?q=service%3Aa+and+not+service%3Aa")
    ]  # fmt: skip
    assert "not+service%3A%2A" in other[0].toggle
    assert long == []


def test_a_row_leads_to_its_document_whatever_its_id() -> None:
    row = row_of(ExploreAddress("q"), hit(), Highlights(""))

    assert row["open"] == (
        "/console/explore/document?q=q&id=.ds-logs-a-pt-2025.01.02-000001%2Fk%261"
    )
    assert (row["level"], row["whole"]) == ("ERROR", None)
    assert row_of(ExploreAddress(), hit('{"log_level":"<b>"}'), Highlights(""))["level"] == ""


def test_only_a_document_that_is_cut_leads_to_the_whole_and_one_with_a_key_to_its_trace() -> None:
    assert whole_address(hit()) is None
    assert whole_address(hit(is_cut=True)) == (
        "/console/explore/document/whole?id=.ds-logs-a-pt-2025.01.02-000001/k%261"
    )
    assert trace_address(hit()) == "/console/life?id=k%261"
    assert trace_address(hit(key=None)) is None


def test_only_what_stands_in_the_query_has_a_column() -> None:
    error = QueryInvalid(query="a:", column=3, seen="the end", expected="a value")

    assert pointed(ExploreAddress("a:"), error)["column"] == 3
    assert pointed(ExploreAddress("other"), error)["column"] is None
