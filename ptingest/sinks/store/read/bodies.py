"""Bodies of documents for people: small ones whole, large ones as an excerpt, any one in parts.

A body is read through SQLite's blob handle, so that of a large one only one part is in memory
at a time, here and in SQLite.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ptingest.model.explore import Hit
from ptingest.sinks.read.excerpt import READ_BYTES, ROW_BYTES, ROW_VALUE_BYTES, excerpt

T = TypeVar("T")

PART_BYTES = 1 << 20
LARGE_BYTES = 1 << 20
"""SQLite's JSON functions take several times a body's size in memory, so larger bodies are not
queried for context and completion."""
ROWS_A_FETCH = 256
_COLUMNS = "id, timestamp, stored_at, data_stream, key"


def read_hits(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    *,
    whole_bytes: int = ROW_BYTES,
    value_bytes: int = ROW_VALUE_BYTES,
    is_time_up: Callable[[], bool] = lambda: False,
) -> list[Hit]:
    """Return documents in the order of ``ids``, without those that were deleted.

    The deadline is checked after each large one; when time is up the rest is left out.
    """
    hits: list[Hit] = []
    for start in range(0, len(ids), ROWS_A_FETCH):
        some = ids[start : start + ROWS_A_FETCH]
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM documents WHERE id IN ({', '.join('?' * len(some))})", some
        )
        found = {row[0]: row for row in rows}
        for one in some:
            body = _body(connection, one, whole_bytes, value_bytes) if one in found else None
            if body is None:
                continue
            number, timestamp, stored_at, data_stream, key = found[one]
            hits.append(Hit(str(number), timestamp, stored_at, data_stream, key, *body))
            if hits[-1].is_cut and is_time_up():
                return hits
    return hits


def _body(
    connection: sqlite3.Connection, number: int, whole_bytes: int, value_bytes: int
) -> tuple[str, int, bool] | None:
    """Return a body or its excerpt, the size of the whole body, and whether it was cut."""
    blob = _open(connection, number)
    if blob is None:
        return None
    with blob:
        size = len(blob)
        if size <= whole_bytes:
            return blob.read().decode("utf-8", "replace"), size, False
        chunks = iter(lambda: blob.read(READ_BYTES), b"")
        return excerpt(chunks, value_bytes=value_bytes, total_bytes=whole_bytes), size, True


def read_part(connection: sqlite3.Connection, number: int, begin: int) -> bytes | None:
    """Return a part of a body from ``begin`` on, empty at its end; None when it was deleted."""
    blob = _open(connection, number)
    if blob is None:
        return None
    with blob:
        blob.seek(min(begin, len(blob)))
        return blob.read(PART_BYTES)


def read_excerpts(connection: sqlite3.Connection, ids: Sequence[int]) -> Iterator[str]:
    """Yield the bodies of a list, large ones cut."""
    for number in ids:
        body = _body(connection, number, ROW_BYTES, ROW_VALUE_BYTES)
        if body is not None:
            yield body[0]


def ask_small(
    connection: sqlite3.Connection, ids: Callable[[], Iterable[int]], query: Callable[[str], T]
) -> T:
    """Run ``query`` with a condition that excludes the large ones of ``ids``.

    SQLite refuses to load a large value, so that this costs nothing when there are none.
    """
    before = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGE_BYTES)
    try:
        return query("TRUE")
    except sqlite3.DataError:  # string or blob too big
        pass
    finally:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
    large = [number for number in ids() if _size(connection, number) > LARGE_BYTES]
    return query(f"id NOT IN ({', '.join(map(str, large))})")


def _size(connection: sqlite3.Connection, number: int) -> int:
    blob = _open(connection, number)
    if blob is None:
        return 0
    with blob:
        return len(blob)


def _open(connection: sqlite3.Connection, number: int) -> sqlite3.Blob | None:
    try:
        return connection.blobopen("documents", "body", number, readonly=True)
    except sqlite3.OperationalError as error:
        if "no such rowid" in str(error):
            return None
        raise
