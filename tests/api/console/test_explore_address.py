from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ptingest.api.console.explore_address import (
    ExploreAddress,
    names_of,
    sort_of,
    sort_text,
    span_with_data,
)
from ptingest.errors import QueryInvalid, RequestInvalid
from ptingest.model.explore import FACETS, NEWEST_FIRST, Sort, View

NOW = datetime(2025, 1, 10, tzinfo=UTC)


def test_an_address_says_everything_that_decides_what_is_shown() -> None:
    asked = ExploreAddress.read(
        {"q": "a:1", "since": " 1h ", "until": "", "facets": "b, c,b", "sort": "log.offset:asc"}
    )

    assert asked.view == View("a:1", "1h", None, sort=Sort("log.offset", True), facets=("b", "c"))
    assert asked.address(since="2h") == (
        "/console/explore?q=a%3A1&since=2h&facets=b%2C+c%2Cb&sort=log.offset%3Aasc"
    )


def test_what_an_address_leaves_out_is_the_default() -> None:
    asked = ExploreAddress.read({})

    assert (asked.since, asked.view) == (None, View(facets=FACETS))
    assert asked.address() == "/console/explore?q="
    assert ExploreAddress.read({"facets": ""}).view.facets == ()


@pytest.mark.parametrize("asked", [{"query": "a"}, {"q": "a", "id": "1"}, {"Sort": "a:asc"}])
def test_a_parameter_that_is_not_known_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(RequestInvalid, match=r"no parameter '(query|id|Sort)'; known are q, since"):
        ExploreAddress.read(asked)


def test_a_page_may_have_parameters_of_its_own() -> None:
    assert ExploreAddress.read({"q": "a", "id": "1"}, "id").query == "a"


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        (None, NEWEST_FIRST),
        ("@timestamp:asc", Sort("@timestamp", True)),
        ("a:b:desc", Sort("a:b")),
    ],
)
def test_an_order_is_a_field_and_a_direction(text: str | None, sort: Sort) -> None:
    assert sort_of(text) == sort
    assert sort_of(sort_text(sort)) == sort


@pytest.mark.parametrize("text", ["a", ":asc", "a:down", "a:ASC"])
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(QueryInvalid, match="FIELD:asc or FIELD:desc"):
        sort_of(text)


def test_a_second_click_on_a_column_turns_the_order_round() -> None:
    first = ExploreAddress.read({"since": ""}).sorted_by("service")
    second = ExploreAddress.read({"since": "", "sort": "service:desc"}).sorted_by("service")
    newest = ExploreAddress.read({"since": "", "sort": "service:asc"}).sorted_by("@timestamp")

    assert first.endswith("sort=service%3Adesc")
    assert second.endswith("sort=service%3Aasc")
    assert "sort" not in newest


@pytest.mark.parametrize(
    ("newest", "span"),
    [
        (None, "24h"),
        ("2025-01-11T00:00:00.000Z", "24h"),
        ("2025-01-09T00:00:00.000Z", "24h"),
        ("2025-01-08T23:59:59.999Z", "7d"),
        ("2025-01-01T00:00:00.000Z", ""),
    ],
)
def test_the_first_view_is_on_a_span_that_has_documents(newest: str | None, span: str) -> None:
    assert span_with_data(newest, NOW) == span


def test_names_in_a_list_are_taken_once() -> None:
    assert names_of(" a,b ,,a") == ["a", "b"]
