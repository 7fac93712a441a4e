"""The stops of the road, each alone: what one round of a workload costs there.

A stage is a piece of work without arguments, to be timed by whoever asks; what it needs
was made before. The sum of them is less than the whole road: receipts, budget, lane and
event loop lie between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from ptingest.lumberjack.connection import Limits, ServerConnection
from ptingest.model.document import Document
from ptingest.model.receipt import Receipt
from ptingest.pipeline.decode import decode_event
from ptingest.pipeline.identity import event_key
from ptingest.pipeline.interpolate import value_of
from ptingest.pipeline.line import LineReader
from ptingest.pipeline.pipeline import Pipeline
from ptingest.runtime.flow import chunks
from ptingest.runtime.road import READ_BYTES, all_created, gzip_bytes
from ptingest.settings.sinks import BatchSettings
from ptingest.sinks.elasticsearch.bulk import bulk_pieces, read_answer

Work = Callable[[], object]

FRAMES = "inflate and cut"
DECODE = "decode"
LINE = "read the line"
KEY = "key"
PIPELINE = "pipeline"
BODY = "bulk body"
GZIP = "gzip"
ANSWER = "read the answer"
INSIDE_PIPELINE = (DECODE, LINE, KEY)
"""Parts of the pipeline; the rest of it builds documents."""


class Reading(NamedTuple):
    """What the inner stages of the pipeline need of one usual event."""

    reader: LineReader
    event: dict[str, Raw]
    raw: bytes
    message: str


def process_all(
    pipeline: Pipeline, windows: Sequence[Sequence[bytes]], now_ns: int
) -> list[Document]:
    """Return the documents of all windows, processed in chunks as the flow does."""
    documents: list[Document] = []
    for window in windows:
        for chunk in chunks(window):
            receipt = Receipt(lambda _: None)
            done = pipeline.process(chunk, receipt=receipt, peer="127.0.0.1:1", now_ns=now_ns)
            documents += done.documents
    return documents


def make_stages(
    pipeline: Pipeline,
    windows: Sequence[Sequence[bytes]],
    wires: Sequence[bytes],
    *,
    keyed: bool = True,
    batch: BatchSettings | None = None,
    now_ns: int,
) -> dict[str, Work]:
    """Return every stage by name, in the order of travel; each handles all windows once."""
    documents = process_all(pipeline, windows, now_ns)
    batches = batches_of(documents, batch or BatchSettings())
    readings = list(_readings(pipeline, windows))
    inner = _inner_stages(readings)
    pieces = [list(bulk_pieces(batch, keyed=keyed)) for batch in batches]
    answers = {len(batch): all_created(len(batch)) for batch in batches}

    def answer() -> None:
        for batch in batches:
            read_answer(batch, answers[len(batch)], keyed=keyed)

    return {
        FRAMES: lambda: [cut(wire) for wire in wires],
        DECODE: lambda: _decode_all(windows),
        **inner,
        PIPELINE: lambda: process_all(pipeline, windows, now_ns),
        BODY: lambda: [sum(map(len, bulk_pieces(batch, keyed=keyed))) for batch in batches],
        GZIP: lambda: [gzip_bytes(piece) for piece in pieces],
        ANSWER: answer,
    }


def cut(wire: bytes) -> int:
    """Feed one connection as a socket would; return the events that came out."""
    connection = ServerConnection(Limits())
    events = 0
    for start in range(0, len(wire), READ_BYTES):
        connection.receive_data(wire[start : start + READ_BYTES])
        while (window := connection.next_window()) is not None:
            events += len(window.payloads)
    return events


def batches_of(documents: Sequence[Document], limits: BatchSettings) -> list[list[Document]]:
    """Cut documents into batches as a lane under load closes them."""
    batches: list[list[Document]] = [[]]
    size = 0
    for document in documents:
        size += len(document.body)
        if len(batches[-1]) == limits.max_documents or (batches[-1] and size > limits.max_bytes):
            batches.append([])
            size = len(document.body)
        batches[-1].append(document)
    return batches


def _decode_all(windows: Sequence[Sequence[bytes]]) -> None:
    for window in windows:
        for payload in window:
            try:
                decode_event(payload)
            except msgspec.DecodeError:
                continue


def _readings(pipeline: Pipeline, windows: Sequence[Sequence[bytes]]) -> Iterator[Reading]:
    """Yield what is needed of each event that has a group and a message that is text."""
    readers = {name: LineReader(group) for name, group in pipeline.groups.items()}
    for window in windows:
        for payload in window:
            try:
                event = decode_event(payload)
                name, message = value_of(event["group"]), value_of(event["message"])
            except (msgspec.DecodeError, KeyError, ValueError, RecursionError):
                continue
            if isinstance(name, str) and isinstance(message, str) and name in readers:
                yield Reading(readers[name], event, bytes(event["message"]), message)


def _inner_stages(readings: Sequence[Reading]) -> dict[str, Work]:
    lines = [(one.reader.read, one.raw, one.message) for one in readings]
    keys = [_key_of(one) for one in readings]

    def read_lines() -> None:
        for reader, raw, message in lines:
            reader(raw, message)

    def make_keys() -> None:
        for agent, host, log, message, time_text, millis in keys:
            event_key(agent, host, log, message, time_text, millis)

    return {LINE: read_lines, KEY: make_keys}


class KeyParts(NamedTuple):
    """What makes one event's key."""

    agent: Raw | None
    host: Raw | None
    log: Raw | None
    message: str
    time_text: str | None
    millis: int


def _key_of(one: Reading) -> KeyParts:
    line, get = one.reader.read(one.raw, one.message), one.event.get
    return KeyParts(get("agent"), get("host"), get("log"), one.message, line.time_text, line.millis)
