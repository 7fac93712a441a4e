from __future__ import annotations

import pytest

from ptingest.settings.translated import Untranslatable, translated


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        (r"(?P<a>a)\1", "refers back"),
        (r"(?P<a>(?:(?P<b>[^a]|\b))*)", "repeats a group inside of what may be empty"),
        (r"(?P<a>(?:(?P<b>x?)y?)+)", "repeats a group inside of what may be empty"),
        (r"(?P<a>a)?(?(a)b)", "took part"),
        ("(?P<a>a(?=b))", "looks ahead"),
        ("(?P<a>(?<!b)a)", "looks ahead or behind"),
        ("(?P<a>(?>a))", "atomic"),
        ("(?P<a>a*+)", "possessive"),
        (r"(?P<a>\B)", r"\B"),
        ("(?P<a>(?:a|$)b?)", r"\$ before its end"),
        (r"(?P<a>\b(?a:\b))", r"both of ASCII"),
        ("(?P<a>" + "".join(map(chr, range(0x4E00, 0x4F00))) + ")", "too many characters"),
    ],
)
def test_what_cannot_be_said_is_named(expression: str, what: str) -> None:
    with pytest.raises(Untranslatable, match=what):
        translated(expression)


def test_characters_that_are_not_told_apart_share_a_symbol() -> None:
    alphabet = translated(r"(?P<a>\w+é)").alphabet

    assert alphabet.symbol(ord("a")) == alphabet.symbol(ord("中")) == alphabet.symbol(ord("_"))
    assert alphabet.symbol(ord("é")) != alphabet.symbol(ord("a")) != alphabet.symbol(ord(" "))
    assert alphabet.symbol(ord("\n")) == 10


def test_the_table_has_each_characters_symbol() -> None:
    alphabet = translated(r"(?P<a>\d+[b-é]\s)").alphabet

    assert alphabet.table() == bytes(map(alphabet.symbol, range(0x110000)))
    assert alphabet.table(256) == alphabet.table()[:256]


def test_a_symbol_is_a_word_character_where_word_boundaries_ask() -> None:
    alphabet = translated(r"(?P<a>\bż)").alphabet

    kinds = {point: chr(alphabet.symbol(ord(point))) for point in "żać_- \n€"}
    assert {point for point, symbol in kinds.items() if symbol.isalnum() or symbol == "_"} == set(
        "żać_"
    )
