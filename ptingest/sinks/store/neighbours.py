"""What stands before and after a document in the file it came from.

Offsets in the same file tell the order. A Beat sends a file in order, so its neighbours were
stored near the document; ``AROUND`` documents to either side are looked through, which no
index needs to make quick. Where a document tells no file, what its data stream has just
before and after it in time is the next best.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

import msgspec

from ptingest.model.explore import Hit, Neighbours
from ptingest.sinks.store.explore import HIT_COLUMNS
from ptingest.sinks.store.slices import by_time

AROUND = 8192
_FILE_PATHS = ("path", "device_id", "inode", "fingerprint")
_OFFSET = "CAST(json_extract(body, '$.log.offset') AS INTEGER)"


class _Spot(NamedTuple):
    """Where in which file a document stood."""

    agent: Any
    file: dict[str, Any]
    offset: int


def neighbours(connection: sqlite3.Connection, hit: Hit, *, count: int) -> Neighbours:
    """Return up to ``count`` documents before ``hit`` and after it, oldest first."""
    spot = _spot(hit.body)
    if spot is not None:
        return Neighbours(
            _in_file(connection, hit, spot, count, is_after=False)[::-1],
            _in_file(connection, hit, spot, count, is_after=True),
            "file",
        )
    return Neighbours(
        _by_time(connection, hit, count, is_after=False)[::-1],
        _by_time(connection, hit, count, is_after=True),
        "time",
    )


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
) -> list[Hit]:
    """Return the nearest first. A line that was stored twice is shown once."""
    wanted = [("$.agent.id", spot.agent)]
    # A file that was rotated keeps its inode under another path.
    names = [name for name in spot.file if name != "path" or "inode" not in spot.file]
    wanted += [(f"$.log.file.{name}", spot.file[name]) for name in names]
    conditions = " AND ".join("json_extract(body, ?) IS ?" for _ in wanted)
    rows = connection.execute(
        f"SELECT {HIT_COLUMNS}, {_OFFSET} FROM documents NOT INDEXED "
        "WHERE id BETWEEN ? AND ? AND data_stream = ? AND json_valid(body) "
        f"AND {_OFFSET} {'>' if is_after else '<'} ? AND {conditions} "
        f"GROUP BY {_OFFSET} ORDER BY {_OFFSET} {'ASC' if is_after else 'DESC'} LIMIT ?",
        [
            hit.id - AROUND, hit.id + AROUND, hit.data_stream, spot.offset,
            *(part for pair in wanted for part in pair), count,
        ],
    )  # fmt: skip
    return [Hit._make(row[:-1]) for row in rows]


def _by_time(connection: sqlite3.Connection, hit: Hit, count: int, *, is_after: bool) -> list[Hit]:
    order = "ASC" if is_after else "DESC"
    behind, values = f"id {'>' if is_after else '<'} ?", list[str | int]([hit.id])
    if hit.timestamp is not None:
        behind = f"(timestamp, id) {'>' if is_after else '<'} (?, ?)"
        values = [hit.timestamp, hit.id]
    rows = connection.execute(
        f"SELECT {HIT_COLUMNS} FROM {by_time(connection)} WHERE {behind} AND data_stream = ? "
        f"ORDER BY timestamp {order}, id {order} LIMIT ?",
        [*values, hit.data_stream, count],
    )
    return list(map(Hit._make, rows))
