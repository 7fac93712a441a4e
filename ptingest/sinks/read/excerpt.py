"""The beginning of each value of a large document, made without holding it whole.

    chunks of JSON --> valid JSON again: long texts cut and marked, then an end

Work is linear in the bytes that are read, memory is a chunk and the excerpt. When the limit is
reached, everything open is closed and the rest is left out; from text that is not JSON the
result need not be JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

DEPTH_MOST = 40
ROW_BYTES, ROW_VALUE_BYTES = 16 << 10, 2 << 10
"""A document in a list: whole up to this size, else so many bytes of each value."""
PAGE_BYTES, PAGE_VALUE_BYTES = 256 << 10, 16 << 10
"""The same for a document on a page of its own."""
READ_BYTES = 64 << 10
"""Of a document that are looked at in one go."""

_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_WORD = re.compile(rb"[-+.0-9A-Za-z]*+")
_WHOLE = re.compile(rb'(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*+', re.DOTALL)
_HOPS = 32
"""Escaped quotes in one chunk from which on an expression is faster than searching for them."""
_PUNCTUATION = frozenset(b"{}[],:")


def excerpt(chunks: Iterator[bytes], *, value_bytes: int, total_bytes: int) -> str:
    """Return a JSON text of little more than ``total_bytes``; each text in it, names too, has
    little more than ``value_bytes``, and says its whole length when it was cut."""
    return _Excerpt(chunks, value_bytes).make(total_bytes)


def _end_of_space(data: bytes, at: int) -> int:
    return _end(_SPACE, data, at)


def _end_of_word(data: bytes, at: int) -> int:
    return _end(_WORD, data, at)


def _end_of_text(data: bytes, at: int) -> int:
    """Return the position of the closing quote, or of a backslash without its partner, or the
    end."""
    begin = at
    for _ in range(_HOPS):
        quote = data.find(b'"', begin)
        text = data[at : quote if quote >= 0 else len(data)]
        is_escaped = (len(text) - len(text.rstrip(b"\\"))) % 2 == 1
        if quote < 0:
            return len(data) - is_escaped
        if not is_escaped:
            return quote
        begin = at = quote + 1
    return _end(_STRING, data, at)


def _end(what: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = what.match(data, at)
    return at if found is None else found.end()


class _End(Exception):
    """The text has ended, or it is not JSON."""


class _Excerpt:
    def __init__(self, chunks: Iterator[bytes], value_bytes: int) -> None:
        self._chunks, self._value_bytes = chunks, value_bytes
        self._data, self._at = b"", 0
        self._out = bytearray()
        self._open: list[int] = []
        self._safe: tuple[int, tuple[int, ...]] = (0, ())
        """How much of the output is complete JSON, and what is open there."""
        self._is_name = False

    def make(self, total_bytes: int) -> str:
        try:
            while len(self._out) < total_bytes:
                self._step()
                if not self._open:
                    break
        except _End:
            pass
        length, opened = self._safe
        closing = b"".join(b"}" if one == ord("{") else b"]" for one in reversed(opened))
        return (bytes(self._out[:length]) + closing).decode("utf-8", "replace") or "null"

    def _step(self) -> None:
        """Read one sign or value."""
        self._take(_end_of_space, most=0)
        sign = self._data[self._at]
        if sign in _PUNCTUATION:
            self._at += 1
            self._punctuate(sign)
            return
        if sign == ord('"'):
            self._at += 1
            kept, length = self._take(_end_of_text, most=self._value_bytes)
            self._at += 1
            self._out += b'"%b"' % (kept if length == len(kept) else _marked(kept, length))
        else:
            kept, length = self._take(_end_of_word, most=self._value_bytes)
            if not length:
                raise _End
            self._out += kept if length == len(kept) else b'"%b"' % _marked(kept, length)
        if not self._is_name:
            self._keep()

    def _punctuate(self, sign: int) -> None:
        if sign in b"{[":
            if len(self._open) >= DEPTH_MOST:
                raise _End
            self._open.append(sign)
        elif sign in b"}]":
            if not self._open:
                raise _End
            self._open.pop()
        self._out.append(sign)
        if sign in b"{[}]":
            self._keep()
        if sign != ord(":"):
            self._is_name = sign in b"{," and self._open[-1:] == [ord("{")]
        else:
            self._is_name = False

    def _keep(self) -> None:
        self._safe = len(self._out), tuple(self._open)

    def _take(self, end_of: Callable[[bytes, int], int], *, most: int) -> tuple[bytes, int]:
        """Skip all that matches; return its first ``most`` bytes and how many there were."""
        kept, length = b"", 0
        while True:
            end = end_of(self._data, self._at)
            if len(kept) < most:
                kept += self._data[self._at : min(end, self._at + most - len(kept))]
            length += end - self._at
            # A value that ends at a sign of its own ends here; a lone backslash waits for its
            # partner.
            if end < len(self._data) and self._data[end:] != b"\\":
                self._at = end
                return kept, length
            self._data, self._at = self._data[end:] + self._more(), 0

    def _more(self) -> bytes:
        more = next(self._chunks, b"")
        if not more:
            raise _End
        return more


def _marked(kept: bytes, length: int) -> bytes:
    """Cut at a complete character and escape, and say how much there was."""
    text = kept[: _end(_WHOLE, kept, 0)].decode("utf-8", "ignore")
    mark = json.dumps(f"… ({length:,} bytes)", ensure_ascii=False)[1:-1]
    return f"{text}{mark}".encode()
