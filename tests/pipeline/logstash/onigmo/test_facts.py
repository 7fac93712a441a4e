from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.onigmo.facts import needle, nodes, widths
from ptingest.pipeline.logstash.onigmo.parse import parse
from ptingest.pipeline.logstash.onigmo.tree import One


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("abc", 3, 3),
        ("a|bc", 1, 2),
        ("(?:ab){2,3}", 4, 6),
        ("a*", 0, None),
        ("(?:^)*", 0, 0),
        ("(?>a)(?=b)", 1, 1),
        (r"\X", 1, None),
        (r"(a)\1", 1, None),
        ("(a)?(?(1)b|cd)", 1, 3),
    ],
)
def test_how_long_a_match_is(text: str, least: int, most: int | None) -> None:
    assert widths(parse(text).root) == (least, most)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a+ - (?:b)cd[ef]g", " - bcd"),
        ("(?:error)+: ", "error"),
        ("ab|cd", ""),
        ("ab(?!x)cd", "abcd"),
        (r"(?:ab)?c", "c"),
        ("(?i)ab1", "1"),
    ],
)
def test_the_text_that_every_match_holds(text: str, found: str) -> None:
    assert needle(parse(text).root) == found


def test_all_nodes_are_visited() -> None:
    ones = [node for node in nodes(parse("(?:a|b)(?(1)c|d)(?=e)(f)").root) if isinstance(node, One)]

    assert len(ones) == 6
