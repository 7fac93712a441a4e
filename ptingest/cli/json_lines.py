"""JSON for other programs: one value a line, whatever the reader thinks ends a line."""

from __future__ import annotations

import sys

from ptingest.cli.visible import visible_json


def one_line(value: bytes) -> bytes:
    """Return the same JSON value, UTF-8 without a newline, as one line with its newline."""
    # Many readers (Python's `splitlines` among them) end a line at U+0085, U+2028 or U+2029,
    # which JSON lets stand unescaped, as it does what commands a terminal.
    if not value.isascii() or b"\x7f" in value:
        value = visible_json(value.decode("utf-8", "replace")).encode()
    # In valid JSON a carriage return stands between tokens only.
    return value.replace(b"\r", b" ") + b"\n"


def write_json_line(value: bytes) -> None:
    """Write one value to standard output, now: the reader may be waiting for it."""
    sys.stdout.buffer.write(one_line(value))
    sys.stdout.buffer.flush()
