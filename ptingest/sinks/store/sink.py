"""The embedded store's writing end: batches in, one SQLite transaction each.

When ``write`` returns, what it calls stored is on disk (WAL, ``synchronous=FULL``) and
survives ``kill -9`` and power loss. One thread owns the connection; the event loop never
waits for the disk. Index and retention follow after the answer, on the same thread (see
``maintenance``), the checkpoint on one of its own (see ``checkpoint``).

A row goes in as part of one statement for up to ``ROWS_A_STATEMENT`` rows: Python's lock is
given back and fought for once a statement, and against a busy event loop each fight costs up
to 5 ms, which a statement a row would pay thousands of times a batch. Beyond some hundred
rows a statement's copy of their texts no longer fits the processor's cache.
"""

from __future__ import annotations

import asyncio
import codecs
import errno
import logging
import shutil
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path

from ptingest.errors import SinkUnavailable
from ptingest.kql.columns import lift, time_text
from ptingest.model.contracts import Clock
from ptingest.model.document import Document, Index, Target
from ptingest.model.finding import Finding
from ptingest.model.outcome import Refusal, WriteResult
from ptingest.settings.sinks import StoreSettings
from ptingest.sinks.store.checkpoint import Checkpointer
from ptingest.sinks.store.files import StoreFiles
from ptingest.sinks.store.maintenance import Portions, Retention, extend_index, tidy
from ptingest.sinks.store.schema import COLUMNS, has_text_index, open_writer

ROWS_A_STATEMENT = 256
_POWERS = range(ROWS_A_STATEMENT.bit_length())
LARGE_BYTES = 1 << 20
"""A body that comes alone and is larger than this never becomes a Python text, which takes up
to four times as much, and twice."""
STRETCH_BYTES = 1 << 16
FREE_BYTES_WARNING = 256 << 20

_TARGET = attrgetter("target")
_log = logging.getLogger(__name__)

_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_SIZE = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
_ONE_ROW = f"({', '.join('?' * len(COLUMNS))})"
_REFUSING = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    UnicodeError,
    OverflowError,
)
"""What SQLite or its binding says of one row; anything else is about the file."""


def _insert(rows: int, row: str = _ONE_ROW) -> str:
    """Return the statement for up to ``rows`` rows; those left all NULL are padding."""
    values = ", ".join([row] * rows)
    return (
        f"INSERT INTO documents ({_NAMES}) SELECT * FROM (VALUES {values}) "
        "WHERE column1 IS NOT NULL ON CONFLICT DO NOTHING"
    )


_LARGE_ROW = f"({', '.join('?' * (len(COLUMNS) - 2))}, CAST(? AS TEXT), CAST(? AS TEXT))"
"""Message and body come last, and as bytes."""
_INSERT_LARGE = _insert(1, _LARGE_ROW)


class StoreSink:
    """Implements ``Sink`` on one SQLite file at ``path``."""

    name = "store"

    def __init__(
        self,
        settings: StoreSettings,
        *,
        path: Path,
        clock: Clock,
        does_maintenance: bool = True,
        is_alone: bool = True,
    ) -> None:
        """With several writers, one does maintenance, since text index and retention need a
        single owner; only a writer that ``is_alone`` may begin a new log where the old one was
        removed."""
        self._does_maintenance, self._is_alone = does_maintenance, is_alone
        self._path = path
        self._clock = clock
        self._retention = Retention(
            None if settings.max_age_days is None else timedelta(days=settings.max_age_days),
            None if settings.max_bytes is None else int(settings.max_bytes),
        )
        self._portions = Portions()
        self._connection: sqlite3.Connection | None = None
        self._files = StoreFiles(path)
        self._file_bytes: int | None = None
        # Few statements, so that SQLite need not compile and keep one for each batch size.
        self._inserts = {1 << power: _insert(1 << power) for power in _POWERS}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._checkpoints = Checkpointer(path, on_failed=self._put_off)
        self._is_closed = False

    async def write(
        self,
        documents: Sequence[Document],
        doubtful: frozenset[Document],  # noqa: ARG002 - the unique key answers every doubt
    ) -> WriteResult:
        """Store one batch in one transaction; keyed documents stored before are recognised."""
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._thread, self._write, documents)
        if result.trouble is None:
            self._thread.submit(self._tidy).add_done_callback(_tell_of_bug)
        return result

    async def maintain(self) -> None:
        """Do a round of maintenance now: others may have written since our own last batch."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._maintain)

    async def check(self) -> Sequence[Finding]:
        """Open the file as a write would, and look at the room on its disk."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._check)

    def room(self) -> dict[str, object]:
        """How large the file was after the last batch, None before the first, and may be."""
        return {
            "bytes": self._file_bytes,
            "limit_bytes": self._retention.max_bytes,
            "setting": "sinks.store.max_bytes",
        }

    async def close(self) -> None:
        """Bring the text index up to date, leave one file behind and let go of it; closing
        again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        self._checkpoints.close()

    # --- all below runs on the store's own thread ---------------------------------------

    def _write(self, documents: Sequence[Document]) -> WriteResult:
        try:
            connection = self._open()
        except (sqlite3.Error, OSError, SinkUnavailable) as error:
            return WriteResult(busy=documents, trouble=self._explain(error))
        is_committing = False
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = self._store_all(connection, documents)
            is_committing = True
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon(connection, error)
            # A commit that failed may have reached the log all the same.
            if is_committing and not _is_locked(error):
                return WriteResult(doubtful=documents, trouble=self._explain(error))
            return WriteResult(busy=documents, trouble=self._explain(error))
        return result

    def _open(self) -> sqlite3.Connection:
        """Return the connection, made anew when a file was removed or replaced: SQLite
        would go on writing, and we go on acking, into a file that no one can find.

        Raises:
            SinkUnavailable: the file was cut, or what a removed log held is not saved yet.
        """
        if self._connection is not None:
            if self._files.are_same:
                if self._files.is_cut:
                    raise self._cut()
                return self._connection
            self._checkpoints.stop()
            if self._files.is_store_same:
                self._save_log(self._connection)
            else:
                _log.error("%s was removed or replaced while in use; opening it anew", self._path)
            self._drop_connection()
        self._connection = open_writer(self._path)
        self._checkpoints.open()
        self._files.note()
        return self._connection

    def _save_log(self, connection: sqlite3.Connection) -> None:
        """Bring what a removed log held into the file: this connection still has it open.

        Raises:
            SinkUnavailable: not all of it is saved; nothing is acked until it is.
        """
        if self._files.is_cut:
            raise self._cut()
        busy, logged, copied = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy or logged != copied:
            raise SinkUnavailable(
                sink="store",
                cause=f"the log of {self._path} (-wal, -shm) was removed while in use, and what "
                "it held cannot be saved while a reader holds it open; nothing is acked, "
                "trying again",
            )
        if not self._is_alone:
            # Another worker still writes to the old log; a new one beside it breaks the file.
            raise SinkUnavailable(
                sink="store",
                cause=f"the log of {self._path} (-wal, -shm) was removed while several workers "
                "use it; what it held was saved, nothing is acked: restart the server",
            )
        _log.error(
            "the log of %s (-wal, -shm) was removed while in use; what it held was saved, a new "
            "one is made",
            self._path,
        )

    def _cut(self) -> SinkUnavailable:
        return SinkUnavailable(
            sink="store",
            cause=f"{self._path} was cut while in use: it is shorter than its own header says; "
            "nothing is acked: move it aside (a new one is made), "
            f"`sqlite3 {self._path.name} .recover` saves what is left",
        )

    def _store_all(
        self, connection: sqlite3.Connection, documents: Sequence[Document]
    ) -> WriteResult:
        targets = {id(target): target for target in map(_TARGET, documents)}
        if not any(map(_overwrites, targets.values())):
            return self._insert_all(connection, documents)
        added = [one for one in documents if not _overwrites(one.target) or one.key is None]
        result = self._insert_all(connection, added) if added else WriteResult()
        known = set(added)
        refused = [
            refusal
            for one in documents
            if one not in known and (refusal := self._overwrite(connection, one)) is not None
        ]
        return replace(result, refused=[*result.refused, *refused])

    def _overwrite(self, connection: sqlite3.Connection, document: Document) -> Refusal | None:
        """Store a document in place of one with the same id."""
        connection.execute("SAVEPOINT overwrite")
        place = (document.target.name, document.key)
        try:
            connection.execute("DELETE FROM documents WHERE data_stream = ? AND key = ?", place)
            self._insert_together(connection, (document,))
        except _REFUSING as error:
            connection.execute("ROLLBACK TO overwrite")
            return Refusal(document, "store_refused", str(error))
        finally:
            connection.execute("RELEASE overwrite")
        return None

    def _insert_all(
        self, connection: sqlite3.Connection, documents: Sequence[Document]
    ) -> WriteResult:
        before = connection.total_changes
        refused: list[Refusal] = []
        try:
            self._insert_together(connection, documents)
        except _REFUSING:
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            before = connection.total_changes
            refused = self._insert_singly(connection, documents)
        inserted = connection.total_changes - before
        if inserted == len(documents) - len(refused):
            return WriteResult(refused=refused)
        out = {refusal.document for refusal in refused}
        taken = [document for document in documents if document not in out]
        return WriteResult(
            already_stored=_stored_before(connection, taken, inserted), refused=refused
        )

    def _insert_together(
        self, connection: sqlite3.Connection, documents: Sequence[Document]
    ) -> None:
        stored_at = self._now_text()
        if len(documents) == 1 and len(documents[0].body) > LARGE_BYTES:
            _insert_large(connection, documents[0], stored_at)
            return
        for start in range(0, len(documents), ROWS_A_STATEMENT):
            part = documents[start : start + ROWS_A_STATEMENT]
            values: list[str | None] = []
            for document in part:
                body = document.body
                values += (stored_at, document.target.name, document.key)
                values += lift(body)
                values.append(body.decode())
            rows = 1 << (len(part) - 1).bit_length()
            values += [None] * ((rows - len(part)) * len(COLUMNS))
            connection.execute(self._inserts[rows], values)

    def _insert_singly(
        self, connection: sqlite3.Connection, documents: Sequence[Document]
    ) -> list[Refusal]:
        refused = []
        for document in documents:
            try:
                self._insert_together(connection, (document,))
            except _REFUSING as error:
                refused.append(Refusal(document, "store_refused", str(error)))
        return refused

    def _now_text(self) -> str:
        return time_text(datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC))

    def _abandon(self, connection: sqlite3.Connection, error: sqlite3.Error) -> None:
        """Roll back; after anything but a lock begin with a new connection."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as second:
            _log.warning("%s: rolling back after %r: %s", self._path, str(error), second)
            self._drop_connection()
            return
        if not _is_locked(error):
            self._drop_connection()

    def _drop_connection(self) -> None:
        self._checkpoints.stop()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _maintain(self) -> None:
        if self._connection is None and self._path.exists():
            try:
                self._open()
            except (sqlite3.Error, OSError, SinkUnavailable) as error:
                _log.debug("store maintenance put off: %s", self._explain(error))
        self._tidy()

    def _tidy(self) -> None:
        try:
            # Copying its log into a cut file would only make it look whole.
            if self._connection is None or not self._files.are_sound:
                return
            if self._does_maintenance:
                now_ns = self._clock.time_ns()
                tidy(self._connection, self._retention, now_ns, self._portions)
            checkpoint = self._checkpoints.begin()
            if checkpoint is not None:
                checkpoint.add_done_callback(_tell_of_bug)
            # What the limit is measured by; a part of it may lie in the write-ahead log.
            (self._file_bytes,) = self._connection.execute(_SIZE).fetchone()
        except (sqlite3.Error, OSError) as error:
            self._put_off(error)

    def _put_off(self, error: Exception) -> None:
        # Nothing is lost: documents are stored, and the next round tries again.
        _log.warning("store maintenance put off: %s", self._explain(error))

    def _check(self) -> list[Finding]:
        try:
            self._open()
            free = shutil.disk_usage(self._path.parent).free
        except (sqlite3.Error, OSError, SinkUnavailable) as error:
            cure = "see sinks.store.path and data_dir"
            # A lock is over soon: workers that begin together make the file together.
            passes = isinstance(error, sqlite3.OperationalError) and _is_locked(error)
            return [Finding("problem", "store", self._explain(error), cure, stops_all=not passes)]
        findings = [Finding("ok", "store", f"{self._path} can be opened and written")]
        if free < FREE_BYTES_WARNING:
            findings.append(
                Finding(
                    "problem",
                    "store",
                    f"only {free >> 20} MiB are free beside {self._path}",
                    "make room, lower sinks.store.max_bytes, or move data_dir",
                )
            )
        return findings

    def _close(self) -> None:
        connection = self._connection
        if connection is None:
            return
        self._checkpoints.stop()
        try:
            if not self._files.are_sound:
                self._open()
            elif self._does_maintenance:
                if has_text_index(connection):
                    extend_index(connection, 1, portion=self._portions.index)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (OSError, SinkUnavailable) as error:
            _log.error("store closed: %s", self._explain(error))
        except sqlite3.Error as error:
            _log.warning(
                "the store could not be closed cleanly; no documents are lost: %s",
                self._explain(error),
            )
        self._drop_connection()
        self._files.close()

    def _explain(self, error: Exception) -> str:
        """One sentence for the operator: what happened, what happens now, what helps."""
        if isinstance(error, SinkUnavailable):
            return str(error)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return f"{self._path} is locked by another program; trying again"
        if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC:
            return (
                f"no room for {self._path} ({error}); nothing is acked until there is: "
                "make room or lower sinks.store.max_bytes"
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return (
                f"{self._path} is damaged or no database ({error}); nothing is acked: move "
                f"it aside, a new one is made; `sqlite3 {self._path.name} .recover` saves the rest"
            )
        return f"{self._path} cannot be written ({error}); trying again"


def _overwrites(target: Target) -> bool:
    return isinstance(target, Index) and target.action == "index" and target.has_own_ids


def _insert_large(connection: sqlite3.Connection, document: Document, stored_at: str) -> None:
    """Store one large document; its bytes go to SQLite as they are."""
    _require_utf8(document.body)
    *labels, message = lift(document.body)
    values = [stored_at, document.target.name, document.key, *labels]
    encoded = None if message is None else message.encode()
    del message
    connection.execute(_INSERT_LARGE, [*values, encoded, document.body])
    # SQLite keeps what a statement was given until it is given something else: a row of
    # nothing, which is not inserted.
    connection.execute(_INSERT_LARGE, [None] * len(COLUMNS))


def _require_utf8(body: bytes) -> None:
    """Raise UnicodeDecodeError where a text could not be made of it, without making one."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for start in range(0, len(body), STRETCH_BYTES):
        decode(body[start : start + STRETCH_BYTES])
    decode(b"", final=True)


def _tell_of_bug(maintenance: Future[None]) -> None:
    error = maintenance.exception()
    if error is not None:
        _log.error(
            "store maintenance failed; documents are stored, retention stands still", exc_info=error
        )


def _is_locked(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _stored_before(
    connection: sqlite3.Connection, documents: Sequence[Document], inserted: int
) -> list[Document]:
    """Return exactly those of ``documents`` that the unique key kept out.

    The rows of this transaction have the highest ids, without a gap. A key found below them
    was there before; among them, the first document of the batch with that key made the row,
    and any further one was kept out.
    """
    (last,) = connection.execute("SELECT max(id) FROM documents").fetchone()
    already: list[Document] = []
    seen: set[tuple[str, str]] = set()
    for document in documents:
        if document.key is None:
            continue
        place = (document.target.name, document.key)
        row = connection.execute(
            "SELECT id FROM documents WHERE data_stream = ? AND key = ?", place
        ).fetchone()
        if row[0] <= last - inserted or place in seen:
            already.append(document)
        seen.add(place)
    return already
