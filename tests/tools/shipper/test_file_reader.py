from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.tools.shipper.file_reader import (
    MAX_JSON_BYTES,
    MAX_RECORD_BYTES,
    FilePlace,
    RecordReader,
)

TRACEBACK = (
    b"ERROR|django.request|2025-01-02T03:04:05.678|Internal Server Error\n"
    b"Traceback (most recent call last):\n"
    b'  File "/app/views.py", line 10, in get\n'
    b"ValueError: bad\n"
)


class Open(Protocol):
    def __call__(self, path: Path, place: FilePlace | None = None) -> RecordReader: ...


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens readers and closes them when the test is over."""
    with contextlib.ExitStack() as stack:

        def open_one(path: Path, place: FilePlace | None = None) -> RecordReader:
            return stack.enter_context(contextlib.closing(RecordReader(path, place)))

        yield open_one


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "django.log"
    path.write_bytes(content)
    return path


def texts(reader: RecordReader, *, to_the_end: bool = True) -> list[bytes]:
    return [record.text for record in reader.read(to_the_end=to_the_end)]


def test_a_traceback_stays_with_its_record(opened: Open, tmp_path: Path) -> None:
    path = write(tmp_path, b"INFO|root|t|one\n" + TRACEBACK + b"INFO|root|t|two\n")

    records = list(opened(path).read(to_the_end=True))

    assert [record.text for record in records] == [
        b"INFO|root|t|one",
        TRACEBACK.rstrip(b"\n"),
        b"INFO|root|t|two",
    ]
    assert [b"\n" in record.text for record in records] == [False, True, False]


def test_lines_of_a_file_without_records_stay_lines(opened: Open, tmp_path: Path) -> None:
    path = write(tmp_path, b'203.0.113.7 - - "GET /"\n{"level":"info"}\n\n  indented\n')

    assert texts(opened(path)) == [
        b'203.0.113.7 - - "GET /"',
        b'{"level":"info"}',
        b"  indented",
    ]


def test_records_say_where_they_lie(opened: Open, tmp_path: Path) -> None:
    path = write(tmp_path, b"a\r\nINFO|x\nmore\nlast")

    places = [(r.begin, r.end, r.text) for r in opened(path).read(to_the_end=True)]

    assert places == [(0, 3, b"a"), (3, 19, b"INFO|x\nmore\nlast")]


def test_a_growing_file_gives_out_a_record_only_when_it_is_complete(
    opened: Open, tmp_path: Path
) -> None:
    path = write(tmp_path, b"INFO|a\ncontin")
    reader = opened(path)

    first = texts(reader, to_the_end=False)
    with path.open("ab") as file:
        file.write(b"ued\nINFO|b\n")
    second = texts(reader, to_the_end=False)
    last = [record.text for record in reader.flush()]

    assert (first, second, last) == ([], [b"INFO|a\ncontinued"], [b"INFO|b"])


def test_a_second_run_goes_on_where_the_first_was_acked(opened: Open, tmp_path: Path) -> None:
    path = write(tmp_path, b"one\ntwo\n")
    reader = opened(path)

    again = opened(path, FilePlace(reader.device, reader.inode, 4))

    assert texts(again) == [b"two"]


@pytest.mark.parametrize(
    ("offset", "inode_shift"), [(400, 0), (4, 1)], ids=["truncated since", "another file now"]
)
def test_a_place_that_no_longer_fits_starts_from_the_beginning(
    opened: Open, offset: int, inode_shift: int, tmp_path: Path
) -> None:
    path = write(tmp_path, b"one\ntwo\n")
    reader = opened(path)
    place = FilePlace(reader.device, reader.inode + inode_shift, offset)

    assert texts(opened(path, place)) == [b"one", b"two"]


def test_a_rotated_file_is_noticed(opened: Open, tmp_path: Path) -> None:
    path = write(tmp_path, b"one\n")
    reader = opened(path)
    texts(reader)

    before = reader.was_replaced()
    path.rename(tmp_path / "django.log.1")
    path.write_bytes(b"new\n")

    assert (before, reader.was_replaced()) == (False, True)


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"|"))))
def test_every_byte_is_in_exactly_one_record(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = b"".join(line + b"\n" for line in lines)
    path = tmp_path_factory.mktemp("records") / "f.log"
    path.write_bytes(content)

    with contextlib.closing(RecordReader(path)) as reader:
        records = list(reader.read(to_the_end=True))

    covered = 0
    for record in records:
        # Only empty lines outside a record belong to nobody.
        assert content[covered : record.begin].strip(b"\r\n") == b""
        assert content[record.begin : record.end].replace(b"\r\n", b"\n").rstrip(
            b"\r\n"
        ) == record.text.rstrip(b"\r\n")
        covered = record.end
    assert content[covered:].strip(b"\r\n") == b""


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * (25 << 20),
        b"\0" * (25 << 20) + b"\nINFO|root|t|x\n",
        b"INFO|root|t|x\n" + b"more\n" * 200 + b"y" * (10 << 20) + b"\n" + b"z" * (11 << 20),
    ],
    ids=["no newline", "one line", "a record that grows"],
)
def test_no_record_is_longer_than_a_beat_would_send(
    content: bytes, opened: Open, tmp_path: Path
) -> None:
    records = list(opened(write(tmp_path, content)).read(to_the_end=True))

    assert max(len(record.text) for record in records) <= MAX_RECORD_BYTES
    assert records[0].begin == 0
    assert records[-1].end == len(content)
    assert all(a.end == b.begin for a, b in pairwise(records))


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * (12 << 20),
        b"\0" * (9 << 20) + b"\nINFO|root|t|x\n",
        b"INFO|root|t|x\n" + (b"\0" * (1 << 20) + b"\n") * 9,
        b"INFO|root|t|x\n" + b"\xff" * (9 << 20) + b"\n",
        b'\x01"\\' * (3 << 20),
    ],
    ids=["no newline", "one line", "a record that grows", "no UTF-8", "quotes"],
)
def test_no_record_is_longer_as_json_than_a_server_takes(
    content: bytes, opened: Open, tmp_path: Path
) -> None:
    records = list(opened(write(tmp_path, content)).read(to_the_end=True))

    longest = max(len(orjson.dumps(record.text.decode(errors="replace"))) for record in records)
    quotes = 2
    assert longest - quotes <= MAX_JSON_BYTES
    assert records[0].begin == 0
    assert records[-1].end == len(content)
    assert all(a.end == b.begin for a, b in pairwise(records))


def test_a_long_line_of_plain_text_stays_one_record(opened: Open, tmp_path: Path) -> None:
    line = b"INFO|root|t|" + b"ab" * 4_900_000

    (record,) = opened(write(tmp_path, line + b"\n")).read(to_the_end=True)

    assert record.text == line


def test_a_line_is_cut_at_the_same_bytes_however_it_was_read(opened: Open, tmp_path: Path) -> None:
    line = b"\0" * (13 << 20)
    path = write(tmp_path, line[: 11 << 20])
    growing = opened(path)
    records = list(growing.read(to_the_end=False))
    with path.open("ab") as file:
        file.write(line[11 << 20 :] + b"\n")
    records += growing.read(to_the_end=False)

    assert records == list(opened(path).read(to_the_end=False))
