"""What a file's first bytes show that makes its lines unreadable for every pattern. Pure.

Filebeat ships such bytes as they are, and so does `ptingest send`; here is what to say before.
"""

from __future__ import annotations

BEGIN_BYTES = 4096
"""How much of a file `objection_to` looks at."""
_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip -c"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"),
    b"\xfd7zXZ\x00": ("xz", "xz -dc"),
    b"BZh": ("bzip2", "bunzip2 -c"),
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
_FEWEST_PAIRS = 8
"""Shorter text says nothing about its encoding."""


def objection_to(begin: bytes, path: str) -> str:
    """Return what is wrong with a file that begins so, with its cure; empty when nothing is."""
    for magic, (name, command) in _COMPRESSED.items():
        if begin.startswith(magic):
            return (
                f"{path} is compressed ({name}), and its bytes are shipped as if they were lines; "
                f"ship the text instead: `{command} {path} > FILE`"
            )
    if begin.startswith(_UTF16) or _is_utf16(begin):
        return (
            f"{path} is UTF-16, which no pattern fits; ship it as UTF-8: "
            f"`iconv -f UTF-16 -t UTF-8 {path} > FILE` (in Filebeat: `encoding: utf-16-bom`)"
        )
    if begin.startswith(_UTF8_MARK):
        return (
            f"{path} begins with a byte order mark (UTF-8), with which its first line fits no "
            f"pattern; ship it without: `tail -c +4 {path} > FILE`"
        )
    return ""


def _is_utf16(begin: bytes) -> bool:
    """Whether text of mostly Latin letters has a NUL in nearly every second place."""
    pairs = len(begin) // 2
    if pairs < _FEWEST_PAIRS:
        return False
    high, low = begin[0 : 2 * pairs : 2].count(0), begin[1 : 2 * pairs : 2].count(0)
    return (high > 0.8 * pairs and low == 0) or (low > 0.8 * pairs and high == 0)
