"""JSON for other programs: one value a line, whatever the reader thinks ends a line."""

from __future__ import annotations

import sys

# JSON lets these stand unescaped, and many readers (Python's `splitlines` among them) end
# a line at each. In valid JSON the three are inside strings, a carriage return between
# tokens only.
_ESCAPED = (
    (b"\xc2\x85", b"\\u0085"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
    (b"\r", b" "),
)


def one_line(value: bytes) -> bytes:
    """Return the same JSON value, UTF-8 without a newline, as one line with its newline."""
    for ending, escaped in _ESCAPED:
        if ending in value:
            value = value.replace(ending, escaped)
    return value + b"\n"


def write_json_line(value: bytes) -> None:
    """Write one value to standard output, now: the reader may be waiting for it."""
    sys.stdout.buffer.write(one_line(value))
    sys.stdout.buffer.flush()
