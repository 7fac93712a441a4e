"""The documents before and after a document in its file.

Offsets in the same file give the order. A Beat sends a file in order, so its neighbours were
stored near the document; ``AROUND`` documents on either side are searched, which is fast
without an index. When a document names no file, the documents of its data stream directly
before and after it in time are used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from ptingest.model.explore import DocumentContext, Hit
from ptingest.sinks.store.read.bodies import ask_small, read_hits
from ptingest.sinks.store.read.pagination import by_time

AROUND = 8192
_FILE_PATHS = ("path", "device_id", "inode", "fingerprint")
_OFFSET = "CAST(json_extract(small, '$.log.offset') AS INTEGER)"


class _Spot(NamedTuple):
    """The position of a document in its file."""

    agent: Any
    file: dict[str, Any]
    offset: int


def context_of(
    connection: sqlite3.Connection,
    hit: Hit,
    *,
    count: int,
    is_time_up: Callable[[], bool] = lambda: False,
) -> DocumentContext:
    """Return up to ``count`` documents before ``hit`` and after it, oldest first; large ones
    are cut, and there are fewer when those took the time."""
    spot = _spot(hit.body)

    def side(*, is_after: bool) -> list[Hit]:
        if spot is not None:
            ids = _in_file(connection, hit, spot, count, is_after=is_after)
        else:
            ids = _by_time(connection, hit, count, is_after=is_after)
        return read_hits(connection, ids, is_time_up=is_time_up)

    basis = "time" if spot is None else "file"
    return DocumentContext(side(is_after=False)[::-1], side(is_after=True), basis)


def _spot(body: str) -> _Spot | None:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    log = document.get("log") if isinstance(document, dict) else None
    file = log.get("file") if isinstance(log, dict) else None
    if not isinstance(log, dict) or not isinstance(file, dict):
        return None
    known = {name: file[name] for name in _FILE_PATHS if isinstance(file.get(name), str)}
    offset = log.get("offset")
    if not known or isinstance(offset, bool) or not isinstance(offset, int):
        return None
    agent = document.get("agent")
    name = agent.get("id") if isinstance(agent, dict) else None
    return _Spot(name if isinstance(name, str) else None, known, offset)


def _in_file(
    connection: sqlite3.Connection, hit: Hit, spot: _Spot, count: int, *, is_after: bool
) -> list[int]:
    """Return the nearest first. A line that was stored twice is shown once."""
    wanted = [("$.agent.id", spot.agent)]
    # A file that was rotated keeps its inode under another path.
    names = [name for name in spot.file if name != "path" or "inode" not in spot.file]
    wanted += [(f"$.log.file.{name}", spot.file[name]) for name in names]
    conditions = " AND ".join("json_extract(small, ?) IS ?" for _ in wanted)
    near = [int(hit.id) - AROUND, int(hit.id) + AROUND, hit.data_stream]

    def ask(is_small: str) -> list[tuple[int]]:
        return connection.execute(
            f"SELECT max(id) FROM (SELECT id, CASE WHEN {is_small} AND json_valid(body) "
            "THEN body END AS small FROM documents NOT INDEXED "
            "WHERE id BETWEEN ? AND ? AND data_stream = ?) "
            f"WHERE {_OFFSET} {'>' if is_after else '<'} ? AND {conditions} "
            f"GROUP BY {_OFFSET} ORDER BY {_OFFSET} {'ASC' if is_after else 'DESC'} LIMIT ?",
            [*near, spot.offset, *(part for pair in wanted for part in pair), count],
        ).fetchall()

    def ids() -> list[int]:
        rows = connection.execute(
            "SELECT id FROM documents NOT INDEXED WHERE id BETWEEN ? AND ? AND data_stream = ?",
            near,
        )
        return [number for (number,) in rows]

    return [number for (number,) in ask_small(connection, ids, ask)]


def _by_time(connection: sqlite3.Connection, hit: Hit, count: int, *, is_after: bool) -> list[int]:
    order = "ASC" if is_after else "DESC"
    behind, values = f"id {'>' if is_after else '<'} ?", list[str | int]([int(hit.id)])
    if hit.timestamp is not None:
        behind = f"(timestamp, id) {'>' if is_after else '<'} (?, ?)"
        values = [hit.timestamp, int(hit.id)]
    rows = connection.execute(
        f"SELECT id FROM {by_time(connection)} WHERE {behind} AND data_stream = ? "
        f"ORDER BY timestamp {order}, id {order} LIMIT ?",
        [*values, hit.data_stream, count],
    )
    return [number for (number,) in rows]
