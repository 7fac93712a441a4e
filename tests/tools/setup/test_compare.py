from __future__ import annotations

from typing import Any

import pytest

from ptingest.tools.setup.compare import holds, is_same


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param({"shards": 1}, {"shards": "1"}, id="numbers come back as text"),
        pytest.param({"hidden": True}, {"hidden": "true"}, id="and so do booleans"),
        pytest.param(
            {"a": 1, "data_stream": {}},
            {"a": 1, "data_stream": {"hidden": False, "allow_custom_routing": False}},
            id="defaults are spelled out",
        ),
        pytest.param({"a": 1, "b": {}}, {"a": 1}, id="empty objects vanish"),
        pytest.param(
            {"privileges": ["b", "a"]}, {"privileges": ["a", "b"]}, id="privileges have no order"
        ),
        pytest.param({"x": [{"m": 1}]}, {"x": [{"m": 1}]}, id="objects in lists"),
    ],
)
def test_what_a_server_says_in_its_own_way_is_the_same(
    wanted: dict[str, Any], found: dict[str, Any]
) -> None:
    assert is_same(wanted, found)
    assert holds(wanted, found)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param({"a": 1}, {"a": 2}, id="another value"),
        pytest.param({"a": 1}, {}, id="a value that is missing"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, id="a value of somebody else"),
        pytest.param(
            {"composed_of": ["a", "b"]}, {"composed_of": ["b", "a"]}, id="an order that decides"
        ),
        pytest.param({"x": [{"m": 1}]}, {"x": [{"m": 1}, {"m": 2}]}, id="a longer list"),
        pytest.param({"a": "1"}, {"a": {"b": "1"}}, id="an object for a value"),
    ],
)
def test_what_differs_is_not_the_same(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    assert not is_same(wanted, found)


def test_more_may_be_there_where_only_ours_is_asked_for() -> None:
    assert holds({"title": "a"}, {"title": "a", "version": "WzE"})
    assert not holds({"title": "a"}, {"title": "b"})


@pytest.mark.parametrize(
    "noted", ["created_date", "created_date_millis", "modified_date", "modified_date_millis"]
)
def test_what_a_server_notes_of_a_template_itself_is_no_difference(noted: str) -> None:
    assert is_same({"a": 1}, {"a": 1, noted: 1_795_000_000_000})
    assert not is_same({"a": 1}, {"a": 1, "template": {noted: 1}})
