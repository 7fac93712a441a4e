from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ptingest.errors import SinkUnavailable, StoreMissing
from ptingest.sinks.store import schema
from ptingest.sinks.store.schema import (
    SCHEMA_VERSION,
    has_labels_index,
    open_reader,
    open_writer,
    transaction,
)


def test_a_new_store_is_durable_and_can_shrink(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "deep" / "store.sqlite")

    answers = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "auto_vacuum", "user_version")
    }
    connection.close()

    assert answers == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "auto_vacuum": 2,  # INCREMENTAL
        "user_version": SCHEMA_VERSION,
    }


def test_an_existing_store_is_opened_as_it_is(tmp_path: Path) -> None:
    first = open_writer(tmp_path / "store.sqlite")
    first.execute("INSERT INTO documents (stored_at, data_stream, body) VALUES ('', 'a', '{}')")
    first.close()

    again = open_writer(tmp_path / "store.sqlite")

    assert again.execute("SELECT count(*) FROM documents").fetchone() == (1,)
    again.close()


@pytest.mark.parametrize("is_renewed", [True, False], ids=["small", "too large to wait for"])
def test_a_store_of_an_older_version_is_brought_up_to_date_where_that_is_quick(
    tmp_path: Path, is_renewed: bool
) -> None:
    older = open_writer(tmp_path / "store.sqlite")
    older.executescript(
        f"DROP INDEX {schema.BY_TIME}; DROP TABLE documents_segments; DROP TABLE documents_tally;"
        "DROP TRIGGER documents_tally_forgets;"
        "CREATE INDEX documents_by_time ON documents (timestamp);"
        "INSERT INTO documents (id, stored_at, data_stream, body) VALUES (1, '', 'a', '{}'), "
        f"({1 if is_renewed else schema.NEW_INDEX_MOST} + 1, '', 'a', '{{}}')"
    )
    older.close()

    store = open_writer(tmp_path / "store.sqlite")

    names = {name for (name,) in store.execute("SELECT name FROM sqlite_master")}
    assert has_labels_index(store) is is_renewed
    assert ("documents_by_time" in names) is not is_renewed
    assert {"documents_segments", "documents_tally", "documents_tally_forgets"} <= names
    store.execute("DELETE FROM documents")
    store.close()


def test_a_store_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    newer = open_writer(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()

    with pytest.raises(SinkUnavailable, match=r"newer ptingest \(schema 99"):
        open_writer(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "does not exist", id="no file"),
        pytest.param(b"no database " * 100, "cannot be read", id="no database"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "store.sqlite"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SinkUnavailable, match=words):
        open_reader(path)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    open_writer(tmp_path / "store.sqlite").close()
    reader = open_reader(tmp_path / "store.sqlite")

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM documents")
    reader.close()


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "store.sqlite")

    with pytest.raises(ZeroDivisionError), transaction(connection):
        connection.execute("INSERT INTO documents (stored_at, data_stream, body) VALUES ('','','')")
        _ = 1 // 0

    assert connection.execute("SELECT count(*) FROM documents").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("is_begun", [False, True], ids=["no file", "a file without tables"])
def test_a_store_that_nobody_has_made_yet_is_told_from_one_that_cannot_be_read(
    tmp_path: Path, is_begun: bool
) -> None:
    path = tmp_path / "store.sqlite"
    if is_begun:
        path.touch()

    with pytest.raises(StoreMissing, match="nothing has been stored there yet"):
        open_reader(path)
