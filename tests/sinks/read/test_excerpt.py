"""The beginning of each value, as JSON that is valid again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.sinks.read.excerpt import DEPTH_MOST, excerpt

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def chunks(text: bytes, size: int) -> Iterator[bytes]:
    return (text[begin : begin + size] for begin in range(0, len(text), size))


def cut(text: bytes, *, value: int = 100, total: int = 1000, step: int = 64) -> Any:
    return json.loads(excerpt(chunks(text, step), value_bytes=value, total_bytes=total))


@settings(deadline=None)
@given(VALUES, st.integers(1, 40), st.booleans())
def test_what_is_small_comes_out_as_it_went_in(value: Any, step: int, is_ascii: bool) -> None:
    text = json.dumps({"a": value}, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")

    assert cut(text, value=10_000, total=100_000, step=step) == json.loads(
        text.decode("utf-8", "replace")
    )


@settings(deadline=None)
@given(VALUES | st.binary(max_size=60), st.integers(1, 40), st.integers(0, 60), st.integers(0, 60))
def test_whatever_comes_it_is_bounded_and_json_where_it_was(
    value: Any, step: int, value_bytes: int, total: int
) -> None:
    text = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()

    made = excerpt(chunks(text, step), value_bytes=value_bytes, total_bytes=total)

    if not isinstance(value, bytes):
        json.loads(made)
    # Beyond the limit there is one value and its mark, and the ends of the open ones; replaced
    # bytes may each become three.
    assert len(made.encode()) <= total + 3 * value_bytes + 40 + DEPTH_MOST


@pytest.mark.parametrize("kind", ["x", "\x01", '"', "\\", "é", "😀", "\n"])
@pytest.mark.parametrize("step", [7, 65_536])
def test_a_long_text_is_cut_and_what_comes_after_it_is_there(kind: str, step: int) -> None:
    event = {"message": kind * 200_000, "log": {"offset": 5}, "tags": ["a"], "service": "django"}
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    inside = len(json.dumps(event["message"], ensure_ascii=False).encode()) - 2

    found = cut(text, step=step)

    message = found.pop("message")
    assert found == {"log": {"offset": 5}, "tags": ["a"], "service": "django"}
    assert message.startswith(kind * 5)
    assert message.endswith(f"… ({inside:,} bytes)")
    assert set(message.removesuffix(f"… ({inside:,} bytes)")) == {kind}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"a":1,"b":[1,2,' + b"3," * 5000 + b'3],"c":1}', [1, 2, 3]),
        (b'{"a":1,' + b",".join(b'"k%d":%d' % (n, n) for n in range(5000)) + b"}", None),
    ],
    ids=["a long list", "many fields"],
)
def test_beyond_the_room_everything_open_is_closed(text: bytes, found: list[int] | None) -> None:
    made = cut(text, total=200)

    assert made["a"] == 1
    assert "c" not in made
    assert found is None or made["b"][:3] == found


def test_a_long_name_and_a_long_number_are_cut() -> None:
    made = cut(b'{"' + b"n" * 5000 + b'":1,"b":' + b"1" * 5000 + b',"c":true}')

    (name, *_) = made
    assert name.endswith("… (5,000 bytes)")
    assert made["b"].endswith("… (5,000 bytes)")
    assert made["c"] is True


def test_no_more_is_read_than_is_wanted() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        yield b'{"a":["x"'
        while True:
            read += 1
            yield b',"x"' * 100

    excerpt(endless(), value_bytes=10, total_bytes=1000)

    assert read <= 5


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x",
        b'"',
        b"{",
        b'{"a"',
        b'{"a":',
        b"[1,",
        b"}",
        b'{"a":1}garbage',
        b"\xff",
        b"[" * 999,
    ],
)
def test_what_is_no_json_ends_where_it_ends(text: bytes) -> None:
    made = excerpt(chunks(text, 3), value_bytes=10, total_bytes=100)

    assert len(made) <= len(text) + 4 or len(text) > 100
