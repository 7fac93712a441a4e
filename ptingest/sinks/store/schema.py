"""The store's one file: its tables, and how it is opened.

    documents        one row a document, in the order of storing; ``body`` is the truth
    documents_text   FTS5 over ``message``, external content, so the text is kept once
    documents_long   ids of documents whose message is too long for the text index
    documents_tally  counts by label and time, and what they cover (see ``rollup``)

The text index follows the documents in steps of ``INDEX_STEP`` rows and is not made before
there are that many: small steps would leave the index in crumbs, and so no table ever has
more rows than ``documents``. What is not indexed yet is always a tail by id (see
``index_end``), which a reader indexes for itself in memory.

FTS5 takes a whole text in one go, which nothing interrupts, and words that fall together in its
hash table cost the square of their number: 0.1 s for 32 KiB, 3.6 s for 200. A message longer
than ``LONG_CHARACTERS`` is therefore not indexed; a reader looks through each of them.

Times are text in UTC with milliseconds: they sort, and people read them in any SQLite
browser.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptingest.errors import SinkUnavailable, StoreMissing
from ptingest.model.disk import sync_folder
from ptingest.sinks.store.rollup import make_tables

APPLICATION_ID = 0x7074_696E
"""``ptin`` in the file's header: how we know that a file is a store of ours."""
SCHEMA_VERSION = 1
PAGE_BYTES = 8192
INDEX_STEP = 2048
"""Documents that must wait before the text index takes them in."""
LONG_CHARACTERS = 32_768
"""A message longer than this is left out of the text index."""
MERGE_AT_ONCE = 64
"""Parts of the text index of one size, before all are merged in one go, which takes seconds in
a large store; from ``MERGE_FROM`` on each round merges a little."""
MERGE_FROM = 16
LOCK_SECONDS = 5.0
"""How long one statement waits for another writer; several workers share one file."""

COLUMNS = (
    "stored_at",
    "data_stream",
    "key",
    "timestamp",
    "group",
    "service",
    "log_level",
    "logger_name",
    "stream",
    "app_module",
    "message",
    "body",
)

_DOCUMENTS = """
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,      -- in the order of storing
    stored_at TEXT NOT NULL,     -- retention counts from here
    data_stream TEXT NOT NULL,   -- logs-django-pt
    key TEXT,                    -- recognises a document sent again; NULL where it cannot be
    timestamp TEXT,              -- @timestamp
    "group" TEXT,
    service TEXT,
    log_level TEXT,
    logger_name TEXT,
    stream TEXT,
    app_module TEXT,
    message TEXT,
    body TEXT NOT NULL,          -- the whole document, as JSON
    UNIQUE (data_stream, key)
)
"""
BY_TIME = "documents_by_time_and_labels"
# Holds the fields that people filter and count by, so that neither needs to read a body of 2
# kB.
_BY_TIME = f"""
CREATE INDEX {BY_TIME} ON documents (
    timestamp, id, log_level, service, stream, app_module, logger_name, "group", data_stream
)
"""
_OLD_BY_TIME = "documents_by_time"
NEW_INDEX_MOST = 200_000
"""Documents of an older store that are indexed anew while it is opened, in about a second."""

# Letters with and without accents differ, as they do in Elasticsearch's standard analyser.
TEXT_OPTIONS = "tokenize = 'unicode61 remove_diacritics 0'"
_TEXT = f"""
CREATE VIRTUAL TABLE documents_text USING fts5(
    message, content = 'documents', content_rowid = 'id', {TEXT_OPTIONS}
)
"""
# External content requires the old text at a deletion; a trigger passes it whichever program
# deletes, the sqlite3 shell too.
_TEXT_FORGETS = """
CREATE TRIGGER documents_text_forgets AFTER DELETE ON documents
WHEN old.id IN (SELECT id FROM documents_text_docsize)
BEGIN
    INSERT INTO documents_text (documents_text, rowid, message)
    VALUES ('delete', old.id, old.message);
END
"""
_LONG = "CREATE TABLE documents_long (id INTEGER PRIMARY KEY)"
_LONG_FORGETS = """
CREATE TRIGGER documents_long_forgets AFTER DELETE ON documents
WHEN old.id IN (SELECT id FROM documents_long)
BEGIN
    DELETE FROM documents_long WHERE id = old.id;
END
"""


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the store for writing, made if missing; every commit is on disk when it returns.

    Raises:
        SinkUnavailable: the file is something else, or from a newer ptingest.
        sqlite3.Error: SQLite cannot open it; the caller decides what to do.
    """
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Used by one thread at a time, though not by the one that opened it.
    connection = sqlite3.connect(
        path,
        timeout=LOCK_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
    )
    try:
        _set_up(connection, path)
    except BaseException:
        connection.close()
        raise
    if is_new:
        sync_folder(path.parent)  # SQLite does so for its journal only
    return connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    # Both take effect only before the first page is written.
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # done beside, by checkpoint
    # A log that starts anew is cut to what it holds: else it would stay as long as it ever
    # was, and always seem due to be copied.
    connection.execute("PRAGMA journal_size_limit = 0")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("PRAGMA cache_size = -16384")
    _refuse_foreign(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.execute(_DOCUMENTS)
            connection.execute(_BY_TIME)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        make_tables(connection)
        _renew_index(connection)
        if has_text_index(connection):
            _complete_text_index(connection)


def _renew_index(connection: sqlite3.Connection) -> None:
    """Give a store of an older version the index of today, where that is quickly done.

    Both versions read and write with either; a large store keeps its old one,
    since the change would take long.
    """
    old = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_OLD_BY_TIME,))
    if old.fetchone() is None:
        return
    (ids,) = connection.execute("SELECT max(id) - min(id) FROM documents").fetchone()
    if (ids or 0) < NEW_INDEX_MOST:
        connection.execute(f"DROP INDEX {_OLD_BY_TIME}")
        if not has_labels_index(connection):
            connection.execute(_BY_TIME)


def has_labels_index(connection: sqlite3.Connection) -> bool:
    """Return whether an index has all columns that filters and counts by label need."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (BY_TIME,))
    return found.fetchone() is not None


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise unless the file is empty or a store of a known version."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables == 0 and application in (0, APPLICATION_ID):
        return
    if application != APPLICATION_ID:
        raise SinkUnavailable(
            sink="store",
            cause=f"{path} is a SQLite file but no ptingest store; nothing is written to it, "
            "give sinks.store.path another name",
        )
    if version > SCHEMA_VERSION:
        raise SinkUnavailable(
            sink="store",
            cause=f"{path} was written by a newer ptingest (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); use that one, or give sinks.store.path another name",
        )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once, so that values read inside stay true, and commit at the end;
    an exception inside rolls back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has ended it already after some errors
            connection.execute("ROLLBACK")
        raise


def open_reader(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """Open an existing store read-only, also while a server writes to it.

    With ``any_thread`` the caller ensures that one thread at a time uses it.

    Raises:
        StoreMissing: there is none yet.
        SinkUnavailable: it cannot be read.
    """
    if not path.exists():
        raise StoreMissing(path=path)
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=not any_thread,
        )
        try:
            _refuse_foreign(connection, path)
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StoreMissing(path=path)  # its writer has only just begun to make it
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise SinkUnavailable(sink="store", cause=f"{path} cannot be read: {error}") from error
    return connection


def has_text_index(connection: sqlite3.Connection) -> bool:
    """Tell whether the text index was made yet."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'documents_text'")
    return found.fetchone() is not None


def make_text_index(connection: sqlite3.Connection) -> None:
    """Make the empty text index, inside the caller's transaction."""
    connection.execute(_TEXT)
    connection.execute(_TEXT_FORGETS)
    _complete_text_index(connection)


def _complete_text_index(connection: sqlite3.Connection) -> None:
    """Give a text index what those of older versions lack, inside the caller's transaction."""
    if not has_long_messages(connection):
        connection.execute(_LONG)
        connection.execute(_LONG_FORGETS)
    # Merging its parts later costs a search little and saves a third of the indexing.
    wanted = {"automerge": MERGE_FROM, "crisismerge": MERGE_AT_ONCE}
    if dict(connection.execute("SELECT k, v FROM documents_text_config")).items() >= wanted.items():
        return
    for name, value in wanted.items():
        connection.execute(
            "INSERT INTO documents_text (documents_text, rank) VALUES (?, ?)", (name, value)
        )


def has_long_messages(connection: sqlite3.Connection) -> bool:
    """Tell whether this store knows of messages too long for the text index."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'documents_long'")
    return found.fetchone() is not None


def index_end(connection: sqlite3.Connection) -> int:
    """Return the last id that the text index holds or leaves out, 0 when it is empty."""
    if not has_text_index(connection):
        return 0
    (last,) = connection.execute("SELECT max(id) FROM documents_text_docsize").fetchone()
    if has_long_messages(connection):
        (last_long,) = connection.execute("SELECT max(id) FROM documents_long").fetchone()
        last = max(last or 0, last_long or 0)
    return int(last or 0)
