"""Generated user expressions: small ones over few characters."""

from __future__ import annotations

import re

from hypothesis import strategies as st

LEAVES = [
    "a",
    "b",
    "[ab]",
    "[^a]",
    r"\w",
    r"\d",
    r"\s",
    ".",
    "é",
    ",",
    "\n",
    "1",
    "(?i:É)",
    "(?s:.)",
]
PLACES = [r"\b", "^", "$", "(?m:^)", "(?m:$)", r"\Z"]
OFTEN = ["*", "+", "?", "{1,2}", "{2}", "*?", "+?", "??"]
TEXTS = st.text("aab,1 \nAéÉżb_ſ\ud800", max_size=9)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.lists(inner, min_size=2, max_size=4).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda ways: f"(?:{'|'.join(ways)})")
        | st.tuples(inner, st.sampled_from(OFTEN)).map(lambda pair: f"(?:{pair[0]}){pair[1]}")
        | inner.map(lambda text: f"(?P<@>{text})")
        | inner.map(lambda text: f"(?P<@>{text})")
    )


def _named(text: str) -> str:
    numbers = iter(range(100))
    return re.sub("@", lambda _: f"f{next(numbers)}", text)


EXPRESSIONS = st.recursive(
    st.sampled_from(LEAVES) | st.sampled_from(LEAVES) | st.sampled_from(PLACES),
    _grown,
    max_leaves=8,
).map(lambda text: _named(f"(?P<@>{text})"))

_TAKEN = st.sampled_from(["a", "b", "[ab]", "[^a]", "[^b]", r"\w", r"\W", ".", "(?s:.)", ","])
_REPEATED = st.tuples(_TAKEN, st.sampled_from(["*", "*?", "+", "+?", "?", "", "{2,3}"])).map(
    "".join
)
_PIECE = (
    _REPEATED
    | _REPEATED
    | st.sampled_from([*PLACES, "(?=a)", "(?!b)", "(?=.*b)"])
    | st.lists(_REPEATED, min_size=1, max_size=3).map(lambda some: f"(?:{''.join(some)})?")
    | st.lists(_REPEATED, min_size=2, max_size=3).map(lambda some: f"(?:{'|'.join(some)})")
    | st.tuples(_REPEATED, _REPEATED).map(lambda two: f"(?:{two[0]}{two[1]}){{1,3}}")
)
REPEATS = st.lists(_PIECE, min_size=2, max_size=6).map("".join)
"""Cases that a proof must distinguish: repeats of one character, and the text after them."""

RUBY = EXPRESSIONS.map(
    lambda text: text.replace("(?P<", "(?<").replace("(?m:", "(?:").replace("(?s:", "(?m:")
) | st.sampled_from(["(?>a+)ab", "a++b", "(?=a)b*a", "(?<!a)b", "(a)?(?(1)b|c)", r"(a|b)\1"])
"""The same in Ruby's syntax, and some that RE2 does not know."""
