from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptingest.sinks.store.schema import open_writer
from ptingest.sinks.store.time_limit import Portion, TookTooLong, limited

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
SOON = 0.001
LATE = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path / "store.sqlite")
    connection.execute("CREATE TABLE done (documents INTEGER)")
    yield connection
    connection.close()


def done(store: sqlite3.Connection) -> list[int]:
    return [one for (one,) in store.execute("SELECT documents FROM done")]


def test_a_statement_without_end_is_interrupted(store: sqlite3.Connection) -> None:
    with pytest.raises(TookTooLong), limited(store, SOON):
        store.execute(ENDLESS).fetchone()

    assert store.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("seconds", [0.0, SOON])
def test_an_interruption_that_comes_before_the_statement_is_not_lost(
    seconds: float, store: sqlite3.Connection
) -> None:
    with pytest.raises(TookTooLong), limited(store, seconds):
        while True:
            store.execute("SELECT 1").fetchone()  # so short that most come before or after it
            store.execute(ENDLESS).fetchone()


def test_other_errors_stay_what_they_are(store: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), limited(store, LATE):
        store.execute("SELECT * FROM missing")


def test_what_takes_too_long_is_rolled_back_and_the_next_takes_fewer(
    store: sqlite3.Connection,
) -> None:
    portion = Portion(1000, most=1000, seconds=SOON)

    def work(documents: int) -> None:
        store.execute("INSERT INTO done VALUES (?)", (documents,))
        if documents > 20:
            store.execute(ENDLESS).fetchone()

    tried = []
    while not done(store):
        tried.append(portion.documents)
        portion.take(store, work)

    assert tried[:3] == [1000, 250, 62]
    assert len(done(store)) == 1
    assert done(store)[0] <= 20


def test_one_document_alone_is_never_interrupted(store: sqlite3.Connection) -> None:
    portion = Portion(1, most=100, seconds=0.0)

    assert portion.take(store, lambda most: store.execute("INSERT INTO done VALUES (?)", (most,)))

    assert done(store) == [1]
    assert portion.documents == 2


def test_what_is_quick_becomes_more_up_to_the_most(store: sqlite3.Connection) -> None:
    portion = Portion(30, most=100, seconds=LATE)

    for _ in range(3):
        portion.take(store, lambda most: store.execute("INSERT INTO done VALUES (?)", (most,)))

    assert done(store) == [30, 60, 100]
