from __future__ import annotations

from typing import Any

import pytest

from ptingest.sinks.elasticsearch.templates import (
    is_failure_store_known,
    matching,
    read_templates,
    version_number,
)


def answer(**templates: dict[str, Any]) -> dict[str, Any]:
    rows = [{"name": name, "index_template": body} for name, body in templates.items()]
    return {"index_templates": rows}


def test_of_matching_templates_the_highest_priority_wins() -> None:
    found = read_templates(
        answer(
            low={"index_patterns": ["logs-*-*"], "priority": 100, "data_stream": {}},
            none={"index_patterns": ["logs-*-pt"], "data_stream": {}},
            high={"index_patterns": "logs-django-*", "priority": 501},
            other={"index_patterns": ["metrics-*"], "priority": 900},
        )
    )

    fitting = matching(found, "logs-django-pt")

    assert [(one.name, one.priority) for one in fitting] == [
        ("high", 501),
        ("low", 100),
        ("none", 0),
    ]
    assert [one.makes_data_streams for one in fitting] == [False, True, True]


@pytest.mark.parametrize(
    ("pattern", "does"),
    [
        ("logs-*-pt", True),
        ("logs-*", True),
        ("*", True),
        ("logs-django-pt", True),
        ("logs-django", False),
        ("logs-.*-pt", False),
        ("logs-?jango-pt", False),
        ("l[o]gs-*", False),
    ],
)
def test_only_a_star_stands_for_anything(pattern: str, does: bool) -> None:
    (template,) = read_templates(answer(one={"index_patterns": [pattern]}))

    assert template.matches("logs-django-pt") is does


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("8.13.4", False),
        ("8.18.9", False),
        ("8.19.0", True),
        ("9.0.8", False),
        ("9.1.0", True),
        ("10.0.0", True),
        ("", False),
    ],
)
def test_the_failure_store_came_with_8_19_and_9_1(version: str, known: bool) -> None:
    assert is_failure_store_known(version) is known


def test_an_answer_of_another_shape_holds_no_templates() -> None:
    assert read_templates({"index_templates": "?"}) == []
    assert version_number("nonsense") == (0, 0)
