from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.kql.tokens import finder, phrase, words
from ptingest.sinks.store.schema import TEXT_OPTIONS


@pytest.mark.parametrize(
    ("written", "text", "is_found"),
    [
        (("parcel",), "Parcel 42 created", True),
        (("parc",), "Parcel 42", False),
        (("parc", ""), "Parcel 42", True),
        (("", "cel"), "Parcel 42", True),
        (("p", "l"), "Parcel 42", True),
        (("p", "l"), "pal x", True),
        (("p", "l"), "p l", False),
        (("apps.par", ".v", ""), "INFO|apps.parcels.views|x", True),
        (("apps.views",), "apps.parcels.views", False),
        (("apps.", ".views"), "apps.parcels.views", True),
        (("ŻÓŁĆ",), "to żółć", True),
        (("zolc",), "to żółć", False),
        (("_",), "a_b", False),
    ],
)
def test_a_written_word_is_found_among_the_words(
    written: tuple[str, ...], text: str, is_found: bool
) -> None:
    sought = phrase(written)

    assert (bool(sought) and finder([sought])(text)) is is_found


def test_what_is_no_text_holds_no_words() -> None:
    assert not finder([("1",)])(1)
    assert not finder([("1",)])(None)


@given(
    st.text(
        st.characters(max_codepoint=0x17F, exclude_categories=["Cs"], exclude_characters="\0İıſµ")
        | st.sampled_from("中文📦\u0301жЖ"),
        max_size=30,
    )
)
@settings(deadline=None, max_examples=200)
def test_words_are_those_of_the_text_index(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE VIRTUAL TABLE t USING fts5(x, {TEXT_OPTIONS})")
    connection.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, instance)")
    connection.execute("INSERT INTO t VALUES (?)", (text,))

    indexed = connection.execute("SELECT term FROM v ORDER BY offset").fetchall()
    connection.close()

    assert words(text) == [term for (term,) in indexed]
