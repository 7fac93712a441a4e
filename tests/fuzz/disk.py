"""What must hold of files that a crash, a full disk or a person left behind.

Each function takes any bytes as a file's content and raises only where a promise is broken.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptingest.dead_letters.queue import (
    StoredLetter,
    decode_letter,
    encode_letter,
    find_letter,
    id_of,
    read_letters,
)
from ptingest.dead_letters.segments import TORN_SUFFIX, SegmentWriter
from ptingest.dead_letters.tombstones import add_marks, done_path, sweep
from ptingest.errors import ConfigProblem
from ptingest.model.outcome import DeadLetter
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.tools.shipper.file_reader import FilePlace, Record, RecordReader
from ptingest.tools.shipper.registry import Registry
from tests.fakes.clock import ManualClock
from tests.support import scratch

LETTER = DeadLetter(reason="not_json", detail="d", payload=b"{", service="django", peer="p")
LINE = encode_letter(LETTER, letter_id="01", time="2026-11-23T14:00:00.000Z")

SEGMENT = "20261123T140000.000000Z-1-0001.ndjson"
AFTER_NS = 1_795_449_600 * 10**9
"""Later than the segment's name, by some hours."""


def is_whole(line: bytes) -> bool:
    return decode_letter(line) is not None


@contextmanager
def unheard() -> Iterator[None]:
    """Keep the warnings about damaged files to themselves; a damaged file is the rule here."""
    log = logging.getLogger("ptingest.delivery")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


@unheard()
def segments(data: bytes) -> None:
    """A start after any crash keeps every readable letter, and each byte of the rest aside."""
    directory = scratch.empty("dead-letters")
    path = directory / SEGMENT
    path.write_bytes(data)
    before = list(read_letters(directory))

    writer = opened(directory)

    kept = path.read_bytes()
    torn = path.with_name(path.name + TORN_SUFFIX)
    aside = torn.read_bytes() if torn.exists() else b""
    assert kept + aside == data, "bytes were lost"
    assert len(aside) == writer.torn_bytes
    assert not kept or kept.endswith(b"\n")
    assert list(read_letters(directory)) == before, "a letter was lost"
    assert writer.bytes >= len(kept)
    assert writer.lines == path.read_bytes().count(b"\n")
    writer.append([LINE], 1)
    writer.close()
    *same, last = read_letters(directory)
    assert (same, last.letter) == (before, LETTER)
    again = opened(directory)
    assert again.torn_bytes == 0, "mending once is not enough"
    again.close()
    for stored in before:
        check_letter(directory, stored)


def opened(directory: Path) -> SegmentWriter:
    clock = ManualClock(time_ns=AFTER_NS)
    writer = SegmentWriter(
        directory, DeadLettersSettings(), clock, segment_bytes=1 << 20, is_whole=is_whole
    )
    writer.open()
    return writer


def check_letter(directory: Path, stored: StoredLetter) -> None:
    """What counts as a letter can be shown, found and put through again."""
    assert find_letter(directory, stored.id) is not None
    assert decode_letter(stored.as_json() + b"\n") == stored
    letter = stored.letter
    texts = (stored.id, stored.time, letter.reason, letter.service, letter.peer, letter.detail)
    assert all(isinstance(text, str) for text in texts)
    assert all(isinstance(text, str | None) for text in (letter.data_stream, letter.key))


@unheard()
def marks(data: bytes) -> None:
    """The first byte says which letters are done: those go, the others stay, also when swept.

    A torn mark is no mark; a line that is no letter stays as it is.
    """
    choice, content = (data[:1] or b"\0")[0], data[1:]
    directory = scratch.empty("marked")
    path = directory / SEGMENT
    path.write_bytes(content)
    before = list(read_letters(directory))
    lines = lines_of(content)
    if [id_of(line) for line in lines if is_whole(line)] != [stored.id for stored in before]:
        return  # edited by a person, so that an id stands there in two ways
    done = {stored.id for number, stored in enumerate(before) if choice >> number % 7 & 1}
    if choice & 128:
        done_path(path).write_bytes(b"#torn")

    add_marks(path, done)

    left = [stored for stored in before if stored.id not in done]
    assert list(read_letters(directory)) == left
    assert list(read_letters(directory, with_done=True)) == before
    assert sweep(path, id_of)
    assert list(read_letters(directory, with_done=True)) == left
    kept = path.read_bytes() if path.exists() else b""
    others = [line for line in lines if id_of(line) is None]
    assert [line for line in lines_of(kept) if id_of(line) is None] == others
    assert [entry.name for entry in directory.iterdir()] in ([], [SEGMENT])


def lines_of(content: bytes) -> list[bytes]:
    """Lines as files have them: a carriage return ends none."""
    return re.findall(rb"[^\n]*\n|[^\n]+", content)


# --- the shipping client ----------------------------------------------------------------


def registry(data: bytes) -> None:
    """A registry is read or refused; what was read can be saved, and used on a file."""
    directory = scratch.empty("registry")
    path = directory / "registry.json"
    path.write_bytes(data)
    try:
        loaded = Registry(path)
    except ConfigProblem as problem:
        assert str(problem)
        return
    loaded.agent_id.encode()
    loaded.save()
    assert Registry(path).agent_id == loaded.agent_id
    log = directory / "app.log"
    log.write_bytes(b"INFO|a|b|c\nmore\n")
    status = log.stat()
    for row in json.loads(path.read_bytes())["files"].values():
        here = FilePlace(status.st_dev, status.st_ino, row["offset"])
        for place in (FilePlace(**row), here):
            records_of(log, place)


def records_of(path: Path, place: FilePlace | None = None) -> list[Record]:
    reader = RecordReader(path, place)
    try:
        return list(reader.read(to_the_end=True))
    finally:
        reader.close()


def records(data: bytes) -> None:
    """The first byte says where the file's growth is cut; that changes no record.

    Records are in order, hold the file's own bytes, and reading goes on at any acked place
    exactly where it stopped.
    """
    cut, content = data[:1], data[1:]
    path = scratch.empty("records") / "app.log"
    path.write_bytes(content)
    whole = records_of(path)

    check_records(whole, content)
    assert grown(path, content, (cut or b"\0")[0] * len(content) // 255) == whole
    status = path.stat()
    for number, record in enumerate(whole):
        place = FilePlace(status.st_dev, status.st_ino, record.end)
        assert records_of(path, place) == whole[number + 1 :], "a restart changes records"


def check_records(whole: list[Record], content: bytes) -> None:
    end = 0
    for record in whole:
        assert end <= record.begin < record.end <= len(content)
        assert not content[end : record.begin].strip(b"\r\n"), "bytes were left out"
        lines = content[record.begin : record.end].split(b"\n")
        written = [line.removesuffix(b"\r") for line in lines]
        if content[record.begin : record.end].endswith(b"\n"):
            written.pop()
        assert record.text.split(b"\n") == written
        end = record.end
    assert not content[end:].strip(b"\r\n")


def grown(path: Path, content: bytes, cut: int) -> list[Record]:
    """What is read of a file that is written in two steps while it is read."""
    path.write_bytes(content[:cut])
    reader = RecordReader(path)
    try:
        first = list(reader.read(to_the_end=False))
        path.write_bytes(content)
        return first + list(reader.read(to_the_end=True))
    finally:
        reader.close()
