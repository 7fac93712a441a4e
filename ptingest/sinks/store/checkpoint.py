"""Copying the write-ahead log into the file, while the writer goes on writing.

A log grows by all that is stored; copying it takes as long as storing did, and two syncs.
A thread and a connection of its own do it, so that the next batch need not wait: SQLite lets
one connection copy what is committed while another one commits more.

The writer cuts the log to what it holds whenever it starts anew (``journal_size_limit`` in
``schema``), so the length of the log tells how much there is to copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

CHECKPOINT_BYTES = 16 << 20
"""A write-ahead log this long is copied into the file."""
WAL_MOST_BYTES = 128 << 20
"""A write-ahead log this long makes writing wait for readers that hold it open."""
CUT_WAIT_SECONDS = 0.05
"""No longer, each time: a long-running reader must not block writes."""


def is_due(path: Path) -> bool:
    """Tell whether the log is long enough to be copied."""
    return _log_bytes(path) >= CHECKPOINT_BYTES


def checkpoint(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the write-ahead log into the file when it is long.

    A reader that holds a snapshot open keeps the log from starting anew; beyond
    ``WAL_MOST_BYTES`` writing waits a little for readers, to cut the log. What can be
    copied without that wait is copied before.
    """
    if not is_due(path):
        return
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    if _log_bytes(path) >= WAL_MOST_BYTES:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _log_bytes(path: Path) -> int:
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0


class Checkpointer:
    """Runs checkpoints of the store at ``path``, one at a time; used by the writer's thread."""

    def __init__(self, path: Path, *, on_failed: Callable[[Exception], None]) -> None:
        """``on_failed`` is told, on another thread, why the log could not be copied now."""
        self._path, self._on_failed = path, on_failed
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-checkpoint")
        self._connection: sqlite3.Connection | None = None
        self._under_way: Future[None] | None = None

    def open(self) -> None:
        """Open the file and the log that the writer has just opened.

        Later would be too late: where the log was removed meanwhile, a new one would be made.
        """
        self._connection = sqlite3.connect(
            self._path,
            timeout=CUT_WAIT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        self._connection.execute("PRAGMA schema_version").fetchall()  # opens the files

    def begin(self) -> Future[None] | None:
        """Begin a checkpoint where one is due and none is under way."""
        if self._connection is None or not is_due(self._path):
            return None
        if self._under_way is not None and not self._under_way.done():
            return None
        self._under_way = self._thread.submit(self._run, self._connection)
        return self._under_way

    def stop(self) -> None:
        """Wait for the one under way and let go of the file."""
        if self._under_way is not None:
            self._under_way.exception()
            self._under_way = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._thread.shutdown()

    def _run(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("PRAGMA synchronous = FULL")
            checkpoint(connection, self._path)
        except (sqlite3.Error, OSError) as error:
            self._on_failed(error)
