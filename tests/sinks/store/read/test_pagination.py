from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.errors import QueryInvalid
from ptingest.sinks.store.read.pagination import PageCursor, by_time, slices
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert

TIMES = [None, *(f"2025-01-02T03:04:0{second}.000Z" for second in range(5))]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path_factory.mktemp("slices") / "store.sqlite")
    with transaction(connection):
        insert(connection, [document({"@timestamp": TIMES[n * 7 % 6]}) for n in range(60)])
    yield connection
    connection.close()


@settings(deadline=None)
@given(
    since=st.sampled_from(TIMES),
    until=st.sampled_from(TIMES),
    after=st.none() | st.builds(PageCursor, st.sampled_from(TIMES), st.integers(1, 60)),
    rows=st.integers(1, 40),
)
def test_slices_hold_every_document_once_newest_first(
    store: sqlite3.Connection,
    since: str | None,
    until: str | None,
    after: PageCursor | None,
    rows: int,
) -> None:
    seen: list[tuple[str | None, int]] = []

    for part in slices(store, since=since, until=until, after=after, first_rows=rows, most_rows=9):
        seen += store.execute(
            f"SELECT timestamp, id FROM {by_time(store)} WHERE {part.sql} "
            "ORDER BY timestamp DESC, id DESC",
            part.values,
        ).fetchall()
        if part.end is not None:
            assert seen[-1] == part.end

    everything = store.execute("SELECT timestamp, id FROM documents").fetchall()
    everything.sort(key=lambda one: (one[0] or "", one[1]), reverse=True)
    assert seen == [
        (time, number)
        for time, number in everything
        if (since is None or (time is not None and time >= since))
        and (until is None or (time is not None and time <= until))
        and (after is None or (time or "", number) < (after.timestamp or "", after.id))
    ]


def test_a_place_is_read_back_as_written() -> None:
    for place in (PageCursor("2025-01-02T03:04:05.678Z", 7), PageCursor(None, 9)):
        assert PageCursor.read(str(place)) == place


@pytest.mark.parametrize("text", ["", "x,", "x,-1", "x,٣", "x," + "9" * 19])
def test_what_is_no_place_is_said(text: str) -> None:
    with pytest.raises(QueryInvalid, match="a place"):
        PageCursor.read(text)
