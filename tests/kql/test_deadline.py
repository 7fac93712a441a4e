from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from ptingest.kql.deadline import TimeIsUp, deadline

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


def test_a_statement_ends_when_its_time_is_up(connection: sqlite3.Connection) -> None:
    left = iter(range(5))

    with pytest.raises(TimeIsUp), deadline(connection, lambda: next(left, None) is None):
        connection.execute(ENDLESS).fetchone()

    assert connection.execute("SELECT 1").fetchone() == (1,), "what comes after is free of it"


def test_other_troubles_of_a_statement_stay_what_they_are(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError), deadline(connection, lambda: False):
        connection.execute("SELECT nothing")
