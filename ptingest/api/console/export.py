"""A whole view as a file, written while it is read.

A large document is written in parts; in a table values are cut, and marked as cut. A file that
ends early must not look complete: then the connection is reset, which every browser and client
reports.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from ptingest.api.console.documents import (
    body_of,
    csv_header,
    csv_lines,
    value_text,
)
from ptingest.api.console.site import HEADERS
from ptingest.errors import SinkUnavailable
from ptingest.model.explore import Hit
from ptingest.sinks.read.lines import json_line, line_start

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

KINDS = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
_ODD = re.compile(r"[^A-Za-z0-9_-]+")
NAME_CHARACTERS = 64
"""Of a document's id in the name of a file."""
WRITE_SECONDS = 60.0
"""A client that reads nothing for this long is disconnected: few exports may run at once."""


Whole = Callable[[str], AsyncIterator[bytes]]
"""Gives one document whole, in parts."""


async def send_file(
    request: web.Request,
    pages: AsyncIterator[list[Hit]],
    *,
    whole: Whole,
    kind: str,
    columns: Sequence[str],
) -> web.StreamResponse:
    """Answer with all pages as a file of ``kind``; ``columns`` are those of a table.

    Raises:
        QueryInvalid, SinkUnavailable: before anything was written.
    """
    from aiohttp import web

    first: list[Hit] = await anext(pages, [])
    answer = web.StreamResponse(headers=_headers(kind))
    await answer.prepare(request)
    try:
        if kind == "csv":
            await _write(answer, csv_header(columns))
        await _write_hits(answer, first, whole, kind, columns)
        async for hits in pages:
            await _write_hits(answer, hits, whole, kind, columns)
        await answer.write_eof()
    except (SinkUnavailable, TimeoutError) as error:
        _cut_off(request, error)
    return answer


async def send_document(
    request: web.Request, parts: AsyncIterator[bytes], *, document_id: str
) -> web.StreamResponse:
    """Answer with one document as it is stored, as a file.

    Raises:
        SinkUnavailable: before anything was written.
    """
    from aiohttp import web

    first = await anext(parts, b"")
    answer = web.StreamResponse(
        headers=_headers("json", f"ptingest-{_ODD.sub('-', document_id)[-NAME_CHARACTERS:]}")
    )
    await answer.prepare(request)
    try:
        await _write(answer, first)
        async for part in parts:
            await _write(answer, part)
        await answer.write_eof()
    except (SinkUnavailable, TimeoutError) as error:
        _cut_off(request, error)
    return answer


def _cut_off(request: web.Request, error: SinkUnavailable | TimeoutError) -> None:
    cause = error.cause if isinstance(error, SinkUnavailable) else "the client stopped reading"
    log.warning("console: an export was cut: %s", cause)
    if request.transport is not None:
        request.transport.abort()


async def _write_hits(
    answer: web.StreamResponse, hits: list[Hit], whole: Whole, kind: str, columns: Sequence[str]
) -> None:
    """Write a page; documents that are cut in it are read in parts."""
    begin = 0
    for number, hit in enumerate(hits if kind == "ndjson" else ()):
        if hit.is_cut:
            await _write(answer, encoded(hits[begin:number], kind, columns))
            start: bytes | None = line_start(hit)
            async for part in whole(hit.id):
                await _write(answer, part if start is None else start + part[1:])
                start = None
            await _write(answer, b"\n")
            begin = number + 1
    await _write(answer, encoded(hits[begin:], kind, columns))


async def _write(answer: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await answer.write(data)


def encoded(hits: Sequence[Hit], kind: str, columns: Sequence[str]) -> bytes:
    """Return documents as lines of JSON, or as rows of a table."""
    if kind == "ndjson":
        return b"".join(json_line(hit) + b"\n" for hit in hits)
    bodies = [(hit, body_of(hit)) for hit in hits]
    return csv_lines([[value_text(hit, body, name) for name in columns] for hit, body in bodies])


def _headers(kind: str, name: str = "ptingest") -> dict[str, str]:
    return {
        **HEADERS,
        "Content-Type": KINDS.get(kind, "application/json"),
        "Content-Disposition": f'attachment; filename="{name}.{kind}"',
        "Cache-Control": "no-store",
    }
