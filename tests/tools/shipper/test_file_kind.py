"""Files whose lines no pattern can read are told before they are shipped."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from ptingest.tools.shipper.file_kind import objection_to

LINES = "INFO|apps.x|2025-01-02T03:04:05Z|Paczka gotowa żółć\n" * 3


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        (gzip.compress(LINES.encode()), "compressed (gzip)"),
        (bz2.compress(LINES.encode()), "compressed (bzip2)"),
        (lzma.compress(LINES.encode()), "compressed (xz)"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "compressed (zstd)"),
        (LINES.encode("utf-16"), "is UTF-16"),
        (LINES.encode("utf-16-le"), "is UTF-16"),
        (LINES.encode("utf-16-be"), "is UTF-16"),
        (LINES.encode("utf-8-sig"), "byte order mark"),
    ],
    ids=["gzip", "bzip2", "xz", "zstd", "utf-16", "little", "big", "utf-8 mark"],
)
def test_what_no_pattern_fits_is_told_with_a_cure(begin: bytes, words: str) -> None:
    said = objection_to(begin, "a.log")

    assert words in said
    assert "> FILE`" in said


@pytest.mark.parametrize(
    "begin",
    [b"", b"x", b"\x00", LINES.encode(), LINES.encode("iso8859-2"), b"a\x00b\x00", bytes(4096)],
    ids=["empty", "a letter", "a NUL", "utf-8", "latin-2", "too short", "NULs alone"],
)
def test_all_else_is_shipped_without_a_word(begin: bytes) -> None:
    assert objection_to(begin, "a.log") == ""
