"""The stages of the in-process run, each alone: what one round of a workload costs there.

A stage is a function without arguments, timed by the caller; its input is prepared before. The
sum of all stages is less than the whole run: receipts, budget, lane and event loop are between
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits
from ptingest.model.document import Document
from ptingest.model.receipt import Receipt
from ptingest.pipeline.fast.lines import LineReader, ParsedLine
from ptingest.pipeline.identity import KeyMaker, framed_value
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.server.chunks import chunks
from ptingest.settings.sinks import BatchSettings
from ptingest.sinks.elasticsearch.bulk import bulk_pieces, read_answer
from ptingest.tools.bench.in_process import READ_BYTES, all_created, gzip_bytes

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


class StageInput(NamedTuple):
    """The input of the inner stages for one event of the fast path."""

    reader: LineReader
    event: Any
    """As ``EventDecoder`` decodes it."""
    raw: bytes


def process_all(
    pipeline: ProfilePipeline, windows: Sequence[Sequence[bytes]], now_ns: int
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
    pipeline: ProfilePipeline,
    windows: Sequence[Sequence[bytes]],
    wires: Sequence[bytes],
    *,
    keyed: bool = True,
    batch: BatchSettings | None = None,
    now_ns: int,
) -> dict[str, Work]:
    """Return every stage by name, in order; each handles all windows once."""
    documents = process_all(pipeline, windows, now_ns)
    batches = batches_of(documents, batch or BatchSettings())
    inputs = list(_stage_inputs(pipeline, windows))
    inner = _inner_stages(inputs)
    pieces = [list(bulk_pieces(batch, keyed=keyed)) for batch in batches]
    answers = {len(batch): all_created(len(batch)) for batch in batches}

    def answer() -> None:
        for batch in batches:
            read_answer(batch, answers[len(batch)], keyed=keyed)

    return {
        FRAMES: lambda: [cut(wire) for wire in wires],
        DECODE: lambda: _decode_all(pipeline, windows),
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


def _decode_all(pipeline: ProfilePipeline, windows: Sequence[Sequence[bytes]]) -> None:
    decode = pipeline.reader.decode
    for window in windows:
        for payload in window:
            try:
                decode(payload)
            except msgspec.DecodeError:
                continue


def _stage_inputs(
    pipeline: ProfilePipeline, windows: Sequence[Sequence[bytes]]
) -> Iterator[StageInput]:
    """Yield what is needed of each event that has a group and a message that is text."""
    readers = {name: LineReader(group) for name, group in pipeline.groups.items()}
    for window in windows:
        for payload in window:
            try:
                found = pipeline.reader.decode_loosely(payload)
            except (msgspec.DecodeError, RecursionError):
                continue
            if found is None:
                continue
            event, _ = found
            raw = bytes(event.message)
            if raw.startswith(b'"'):
                yield StageInput(readers[event.group], event, raw)


def _inner_stages(inputs: Sequence[StageInput]) -> dict[str, Work]:
    lines = [(one.reader.read, one.raw) for one in inputs]
    keys = [(one.event, one.raw, *_time_of(one)) for one in inputs]
    maker = KeyMaker()

    def read_lines() -> None:
        for reader, raw in lines:
            reader(raw)

    def make_keys() -> None:
        for event, raw, framed_time, millis in keys:
            maker.key_of(event.agent, event.host, event.log, raw, framed_time, millis)

    return {LINE: read_lines, KEY: make_keys}


def _time_of(one: StageInput) -> tuple[bytes, int]:
    line = ParsedLine(*one.reader.read(one.raw))
    return line.framed_time or framed_value(""), line.millis
