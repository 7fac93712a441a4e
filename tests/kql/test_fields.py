from __future__ import annotations

import pytest

from ptingest.kql.fields import number_of, phrases_of
from ptingest.kql.parser import Match, parse
from ptingest.kql.tokens import Phrase


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5), ("-7", -7), ("1.5", 1.5), ("1e3", 1000.0),
        (str(2**63 - 1), 2**63 - 1), (str(2**63), float(2**63)), (str(-(2**63)), -(2**63)),
        ("", None), ("x", None), ("nan", None), ("inf", None), ("1e999", None), ("9" * 400, None),
    ],
)  # fmt: skip
def test_a_number_is_one_that_sqlite_can_compare(text: str, number: float | None) -> None:
    found = number_of(text)

    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        pytest.param("m:Refused", [("refused",)], id="a word in any case"),
        pytest.param("m:a-b", [("a", "b")], id="what was written together stands in a row"),
        pytest.param('m:"a b"', [("a", "b")], id="quoted, all in order"),
        pytest.param("m:*", [("*",)], id="a star alone"),
        pytest.param("m:ref*", [("ref*",)], id="a beginning"),
        pytest.param('m:"a*"', [("a",)], id="a quoted star is punctuation"),
        pytest.param('m:"--"', [], id="punctuation alone finds nothing"),
    ],
)
def test_a_value_is_split_into_what_may_be_found(text: str, phrases: list[Phrase]) -> None:
    match = parse(text)
    assert isinstance(match, Match)

    assert phrases_of(match.value) == phrases
