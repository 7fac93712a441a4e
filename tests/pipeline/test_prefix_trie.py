from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.prefix_trie import PrefixTrie

NAMES = st.text("ab.", max_size=6)


@given(prefixes=st.lists(NAMES, max_size=8), text=NAMES)
def test_the_earliest_fitting_prefix_wins_as_if_each_was_tried_in_order(
    prefixes: list[str], text: str
) -> None:
    trie = PrefixTrie()
    for rank, prefix in enumerate(prefixes):
        trie.insert(prefix, rank)

    found = trie.earliest(text)

    fitting = [rank for rank, prefix in enumerate(prefixes) if text.startswith(prefix)]
    assert found == (fitting[0] if fitting else None)


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        pytest.param("apps.parcels.x", 1, id="a shorter, earlier prefix beats a longer one"),
        pytest.param("app", None, id="a text shorter than every prefix fits none"),
        pytest.param("apps.", 1, id="a prefix fits itself"),
    ],
)
def test_order_beats_length(text: str, rank: int | None) -> None:
    trie = PrefixTrie()
    trie.insert("apps.parcels.", 2)
    trie.insert("apps.", 1)

    assert trie.earliest(text) == rank
