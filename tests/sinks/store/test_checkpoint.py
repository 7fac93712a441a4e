from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from ptingest.settings.sinks import StoreSettings
from ptingest.sinks.store import checkpoint
from ptingest.sinks.store.checkpoint import CHECKPOINT_BYTES, Checkpointer, is_due
from ptingest.sinks.store.schema import open_reader, open_writer
from ptingest.sinks.store.sink import StoreSink
from tests.support.store_documents import SetClock, insert, messages
from tests.support.waiting import until

LARGE = messages("x" * CHECKPOINT_BYTES)


def log_bytes(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


def fill(store: sqlite3.Connection, megabytes: int) -> None:
    store.execute("BEGIN IMMEDIATE")
    insert(store, messages(*["x" * (1 << 19)] * megabytes))  # as message and in the body
    store.execute("COMMIT")


async def test_a_batch_is_stored_while_the_log_is_being_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def held(connection: sqlite3.Connection, path: Path) -> None:
        del connection, path
        begun.set()
        may_end.wait()

    monkeypatch.setattr(checkpoint, "checkpoint", held)
    sink = StoreSink(StoreSettings(), path=tmp_path / "store.sqlite", clock=SetClock())

    await sink.write(LARGE, frozenset())
    await until(begun.is_set)
    result = await sink.write(messages("small"), frozenset())
    was_held = not may_end.is_set()
    may_end.set()
    await sink.close()

    assert was_held
    assert result.trouble is None


async def test_what_is_stored_during_a_checkpoint_is_there_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    sink = StoreSink(StoreSettings(), path=path, clock=SetClock())

    for number in range(12):
        await sink.write(messages(f"{number} " + "x" * (8 << 20)), frozenset())
        await sink.write(messages(f"small {number}"), frozenset())
    await sink.close()

    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT substr(message, 1, 8) FROM documents").fetchall()
        assert len(found) == 24
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_log_starts_anew_after_a_checkpoint_and_is_no_longer_due(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = open_writer(path)
    lengths = []

    for _ in range(6):
        fill(store, 17)
        due_before = is_due(path)
        checkpoint.checkpoint(store, path)
        fill(store, 1)
        lengths.append(log_bytes(path))
        assert (due_before, is_due(path)) == (True, False)

    store.close()
    assert max(lengths) < CHECKPOINT_BYTES


def test_a_log_that_a_reader_holds_open_is_cut_once_the_reader_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "WAL_MOST_BYTES", 2 * CHECKPOINT_BYTES)
    path = tmp_path / "store.sqlite"
    store = open_writer(path)
    fill(store, 1)
    reader = open_reader(path)
    reader.execute("BEGIN")
    seen = reader.execute("SELECT count(*) FROM documents").fetchone()
    fill(store, 34)

    checkpoint.checkpoint(store, path)
    held = log_bytes(path)
    seen_after = reader.execute("SELECT count(*) FROM documents").fetchone()
    reader.close()
    checkpoint.checkpoint(store, path)
    cut = log_bytes(path)
    store.close()

    assert seen == seen_after
    assert held > 2 * CHECKPOINT_BYTES
    assert cut == 0


def test_why_a_checkpoint_failed_is_told_and_the_next_one_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.sqlite"
    told: list[Exception] = []
    store = open_writer(path)
    checkpoints = Checkpointer(path, on_failed=told.append)
    checkpoints.open()
    fill(store, 17)

    def full(connection: sqlite3.Connection, path: Path) -> None:
        del connection, path
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "checkpoint", full)
        failed = checkpoints.begin()
        assert failed is not None
        failed.result()
    size = path.stat().st_size
    again = checkpoints.begin()
    assert again is not None
    again.result()
    checkpoints.close()
    store.close()

    assert [str(error) for error in told] == ["database or disk is full"]
    assert path.stat().st_size > size


def test_no_checkpoint_begins_before_the_file_is_open(tmp_path: Path) -> None:
    checkpoints = Checkpointer(tmp_path / "store.sqlite", on_failed=lambda _: None)

    assert checkpoints.begin() is None

    checkpoints.close()
    assert os.listdir(tmp_path) == []


async def test_one_checkpoint_runs_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(checkpoint, "checkpoint", lambda *_: may_end.wait())
    path = tmp_path / "store.sqlite"
    store = open_writer(path)
    checkpoints = Checkpointer(path, on_failed=lambda _: None)
    checkpoints.open()
    fill(store, 17)

    first, second = checkpoints.begin(), checkpoints.begin()
    may_end.set()
    await asyncio.to_thread(checkpoints.close)
    store.close()

    assert first is not None
    assert second is None
