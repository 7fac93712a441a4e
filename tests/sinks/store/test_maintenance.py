from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ptingest.settings.sinks import StoreSettings
from ptingest.sinks.store import maintenance
from ptingest.sinks.store.maintenance import (
    Portions,
    Retention,
    extend_index,
    extend_tally,
    keep_size,
    tidy,
)
from ptingest.sinks.store.rollup import SEGMENT, segments
from ptingest.sinks.store.schema import (
    COLUMNS,
    INDEX_STEP,
    LONG_CHARACTERS,
    MERGE_AT_ONCE,
    index_end,
    open_reader,
    open_writer,
    transaction,
)
from ptingest.sinks.store.sink import StoreSink
from ptingest.sinks.store.time_limit import Portion, TookTooLong
from tests.support.store_documents import SetClock, messages

DAY_NS = 86_400 * 10**9
FOREVER = Retention(max_age=None, max_bytes=None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path / "store.sqlite")
    yield connection
    connection.close()


def fill(store: sqlite3.Connection, count: int, *, day: int = 1, text: str = "alpha") -> None:
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    row = (f"2025-01-{day:02d}T00:00:00.000Z", "logs-a-pt", None, *[None] * 7, text, "{}")
    with transaction(store):
        store.executemany(
            f"INSERT INTO documents ({names}) VALUES ({', '.join('?' * len(COLUMNS))})",
            [row] * count,
        )


def count(store: sqlite3.Connection, where: str = "TRUE") -> int:
    return int(store.execute(f"SELECT count(*) FROM documents WHERE {where}").fetchone()[0])


def found(store: sqlite3.Connection, words: str) -> int:
    return int(
        store.execute(
            "SELECT count(*) FROM documents_text WHERE documents_text MATCH ?", (words,)
        ).fetchone()[0]
    )


def test_the_text_index_waits_for_a_whole_step_and_then_takes_all(
    store: sqlite3.Connection,
) -> None:
    fill(store, INDEX_STEP - 1)
    extend_index(store, INDEX_STEP)
    early = index_end(store)

    fill(store, 5)
    extend_index(store, INDEX_STEP)

    assert early == 0
    assert index_end(store) == INDEX_STEP + 4
    assert found(store, "alpha") == INDEX_STEP + 4


def test_documents_stored_longer_ago_than_allowed_are_deleted(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    fill(store, 3, day=1, text="old")
    fill(store, 2, day=3, text="young")
    extend_index(store, 1)
    now_ns = 1_736_035_200 * 10**9  # 2025-01-05

    tidy(store, Retention(timedelta(days=3), None), now_ns, Portions())

    assert (count(store), found(store, "old"), found(store, "young")) == (2, 0, 2)


async def test_age_counts_from_storing_and_not_from_the_event(tmp_path: Path) -> None:
    clock = SetClock()
    sink = StoreSink(StoreSettings(max_age_days=2), path=tmp_path / "s.sqlite", clock=clock)

    for text in ("first", "second", "third"):  # each says nothing of when it happened
        await sink.write(messages(text), frozenset())
        clock.now_ns += int(1.5 * DAY_NS)
    await sink.write(messages("fourth"), frozenset())
    await sink.close()

    reader = sqlite3.connect(tmp_path / "s.sqlite")
    texts = [row[0] for row in reader.execute("SELECT message FROM documents ORDER BY id")]
    reader.close()
    assert texts == ["third", "fourth"]


def test_the_file_is_kept_within_its_bytes_and_the_oldest_go_first(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "store.sqlite"
    retention = Retention(max_age=None, max_bytes=2 << 20)
    sizes = []
    for day in range(1, 13):
        fill(store, 1000, day=day, text="words " * 60)
        extend_index(store, 1)
        for _ in range(3):
            keep_size(store, retention, Portions().deletion)
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        sizes.append(path.stat().st_size)

    assert max(sizes) <= 2 << 20
    assert sizes[-1] > 1 << 20
    assert count(store, "stored_at LIKE '2025-01-12%'") == 1000
    assert count(store, "stored_at LIKE '2025-01-01%'") == 0
    assert found(store, "words") == count(store)


def test_an_emptied_store_indexes_again_from_the_start(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    fill(store, 5, day=1)
    extend_index(store, 1)
    tidy(store, Retention(timedelta(days=1), None), 1_800_000_000 * 10**9, Portions())
    emptied = count(store)

    fill(store, 3, day=2, text="beta")
    extend_index(store, 1)

    assert emptied == 0
    assert (found(store, "alpha"), found(store, "beta")) == (0, 3)


def test_long_messages_are_left_out_of_the_text_index_and_the_others_behind_them_are_not(
    store: sqlite3.Connection,
) -> None:
    fill(store, 2, text="alpha " * LONG_CHARACTERS)
    fill(store, 3)
    fill(store, 1, text="alpha " * LONG_CHARACTERS)

    extend_index(store, 1)
    end = index_end(store)
    store.execute("DELETE FROM documents WHERE id IN (1, 3)")

    assert end == 6
    assert found(store, "alpha") == 2
    assert store.execute("SELECT id FROM documents_long").fetchall() == [(2,), (6,)]
    store.execute("INSERT INTO documents_text (documents_text, rank) VALUES ('integrity-check', 0)")


def test_a_round_of_the_text_index_takes_no_more_than_its_portion(
    store: sqlite3.Connection,
) -> None:
    portion = Portion(10, most=10)
    fill(store, 25)
    ends = []

    for _ in range(3):
        extend_index(store, 1, portion=portion)
        ends.append(index_end(store))

    assert ends == [10, 20, 25]
    assert found(store, "alpha") == 25


def test_retention_deletes_no_more_than_its_portion(store: sqlite3.Connection) -> None:
    portions = Portions(deletion=Portion(10, most=10))
    fill(store, 25)
    counts = []

    for _ in range(3):
        tidy(store, Retention(timedelta(days=1), None), 1_800_000_000 * 10**9, portions)
        counts.append(count(store))

    assert counts == [15, 5, 0]


def test_a_segment_that_takes_too_long_to_tally_is_left_out(
    store: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, SEGMENT)

    def slow(connection: sqlite3.Connection, segment: int) -> None:
        connection.execute("INSERT INTO documents_segments VALUES (?, 19)", (segment,))
        raise TookTooLong

    monkeypatch.setattr(maintenance, "roll_up", slow)
    extend_tally(store)

    assert segments(store) == {0: 0}


def test_parts_of_the_text_index_are_merged_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "older.sqlite"
    older = open_writer(path)
    fill(older, 1)
    extend_index(older, 1)
    older.execute("INSERT INTO documents_text (documents_text, rank) VALUES ('crisismerge', 16)")
    older.close()

    opened = open_writer(path)
    merging = dict(opened.execute("SELECT k, v FROM documents_text_config"))
    opened.close()

    assert merging["automerge"] < merging["crisismerge"] == MERGE_AT_ONCE


def test_deleting_by_hand_keeps_the_text_index_true(store: sqlite3.Connection) -> None:
    fill(store, 4)
    extend_index(store, 1)
    fill(store, 2)  # not indexed

    store.execute("DELETE FROM documents WHERE id IN (2, 6)")

    assert found(store, "alpha") == 3
    store.execute("INSERT INTO documents_text (documents_text, rank) VALUES ('integrity-check', 0)")


def test_upkeep_goes_on_while_a_reader_holds_the_file_open(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    fill(store, INDEX_STEP)
    reader = open_reader(tmp_path / "store.sqlite")
    reader.execute("BEGIN")
    seen = count(reader)

    tidy(store, FOREVER, 0, Portions())
    fill(store, 1)

    assert (seen, count(reader)) == (INDEX_STEP, INDEX_STEP)
    assert index_end(store) == INDEX_STEP
    reader.close()
