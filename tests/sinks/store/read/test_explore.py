from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.kql import deadline
from ptingest.model.explore import View
from ptingest.sinks.store.read import explore
from ptingest.sinks.store.read.explore import ExploreReader
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert
from tests.support.store_segments import bodies, store

NOW = datetime(2025, 1, 2, 2, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(path)
    yield connection
    connection.close()


def put(writer: sqlite3.Connection, *rows: dict[str, object]) -> None:
    with transaction(writer):
        insert(writer, [document(row) for row in rows])


def walk(reader: ExploreReader, view: View, limit: int) -> list[int]:
    return [int(hit.id) for hits in reader.pages(view, limit=limit) for hit in hits]


@pytest.mark.parametrize("query", ["", "service:django", "parcel", "number > 100", "service:rare"])
@pytest.mark.parametrize("hour", [None, "2025-01-02T01"])
def test_pages_hold_every_document_once_newest_first(
    writer: sqlite3.Connection, path: Path, query: str, hour: str | None
) -> None:
    put(writer, *bodies(700, seed=3), {"service": "rare"}, {"service": "rare"})

    with ExploreReader(path, now=NOW) as reader:
        found = walk(reader, View(query, hour, hour), 64)
        everything = reader.page(View(query, hour, hour), limit=10_000).hits

    assert found == [int(hit.id) for hit in everything]
    order = [(hit.timestamp or "", int(hit.id)) for hit in everything]
    assert order == sorted(set(order), reverse=True)
    assert len(found) > 0 or (query, hour) == ("service:rare", "2025-01-02T01")


@pytest.fixture(scope="module")
def tallied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tallied") / "store.sqlite"
    writer = store(path, segments=1, more=200)
    put(writer, {"service": "rare"}, {"service": "rare", "@timestamp": "2025-01-02T00:00:00.000Z"})
    writer.close()
    return path


def test_rare_labels_in_a_tallied_store_are_paged_alike(tallied: Path) -> None:
    with ExploreReader(tallied, now=NOW) as reader:
        found = walk(reader, View("service:rare"), 1)
        last = reader.last_id()

    assert found == [last, last - 1]


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_paging_neither_skips_nor_repeats_while_documents_come_in(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("paging") / "store.sqlite"
    writer = open_writer(path)
    put(writer, *bodies(60, seed=5))
    seen: list[int] = []
    place: str | None = None
    seed = 6

    with ExploreReader(path, now=NOW) as reader:
        while True:
            page = reader.page(View("service:django"), place=place, limit=7)
            seen += [int(hit.id) for hit in page.hits]
            if page.next_place is None or seed > 12:
                break
            place, seed = page.next_place, seed + 1
            put(writer, *bodies(data.draw(st.integers(0, 9)), seed=seed))
        late = walk(reader, View("service:django"), 7) if seed <= 12 else []
    writer.close()

    assert len(seen) == len(set(seen))
    if late:
        assert {one for one in late if one <= 60} <= set(seen)


def test_a_page_that_ran_out_of_time_says_how_far_it_came_and_goes_on_there(
    writer: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "INSTRUCTIONS", 1 << 30)  # checked between slices only
    put(writer, *bodies(9000, seed=3))
    wanted = View("number:1")

    with ExploreReader(path, now=NOW, is_time_up=lambda: True) as reader:
        first = reader.page(wanted, limit=5)
        found, place, pages = list(first.hits), first.next_place, 1
        while place is not None:
            page = reader.page(wanted, place=place, limit=5)
            found, place, pages = found + page.hits, page.next_place, pages + 1

    assert (first.hits, pages > 1) == ([], True)
    assert first.looked_back_to is not None
    assert [int(hit.id) for hit in found] == [2]


@pytest.mark.parametrize("asks", [100, 300])
def test_time_that_is_up_in_the_middle_of_a_slice_ends_it_there(
    writer: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch, asks: int
) -> None:
    monkeypatch.setattr(deadline, "INSTRUCTIONS", 1000)
    put(writer, *bodies(9000, seed=3))
    terms = View(f"number:({' or '.join(map(str, range(100_000, 100_900)))}) or number:1")
    asked = iter(range(asks))

    with ExploreReader(path, now=NOW, is_time_up=lambda: next(asked, None) is None) as reader:
        page = reader.page(terms, limit=5)

    assert page.hits == []
    assert page.looked_back_to is not None
    assert page.looked_back_to > "2025-01-02T00:30"


@pytest.mark.parametrize("query", ["number:1", "parcel", "log_message:parcel", "message:*a*e*"])
def test_a_page_whose_time_is_up_before_anything_is_seen_says_so(
    writer: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(deadline, "INSTRUCTIONS", 100)
    put(writer, *bodies(3000, seed=3))

    with ExploreReader(path, now=NOW, is_time_up=lambda: True) as reader:
        with pytest.raises(SinkUnavailable, match="fewer words"):
            reader.page(View(query), limit=5)


@pytest.mark.parametrize(
    ("view", "place", "words"),
    [
        (View("service:"), None, "column 9"),
        (View("", "soon"), None, "since 'soon'"),
        (View("", None, "later"), None, "until 'later'"),
        (View(""), "nowhere", "a place"),
    ],
)
def test_what_cannot_be_read_is_said(
    writer: sqlite3.Connection, path: Path, view: View, place: str | None, words: str
) -> None:
    with ExploreReader(path, now=NOW) as reader, pytest.raises(QueryInvalid, match=words):
        reader.page(view, place=place, limit=5)


def test_times_are_ages_or_moments(writer: sqlite3.Connection, path: Path) -> None:
    put(writer, *bodies(400, seed=3))

    with ExploreReader(path, now=NOW) as reader:
        last_hour = reader.counts(View("", "1h"))
        first_hour = reader.counts(View("", "2025-01-02", "2025-01-02T00"))
        all_time = reader.counts(View(""))

    assert last_hour.documents + first_hour.documents + all_time.timeless == 400
    assert min(last_hour.documents, first_hour.documents) > 150


def test_one_document_is_found_by_its_number(writer: sqlite3.Connection, path: Path) -> None:
    put(writer, {"message": "one"}, {"message": "two"})

    with ExploreReader(path, now=NOW) as reader:
        found, gone = reader.document(2), reader.document(3)

    assert found is not None
    assert (found.body, found.data_stream) == ('{"message":"two"}', "logs-django-pt")
    assert gone is None


def test_a_tail_gives_what_was_stored_since_whatever_its_time(
    writer: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "TAIL_MOST", 50)
    put(writer, *bodies(10, seed=3))

    with ExploreReader(path, now=NOW) as reader:
        start = reader.last_id()
        put(writer, {"message": "a parcel"}, {"message": "else"}, {"message": "parcel two"})
        few = reader.tail(View("parcel", "1h"), after=start, limit=10)
        cut = reader.tail(View("parcel"), after=start, limit=1)
        put(writer, *bodies(60, seed=4))
        many = reader.tail(View(), after=int(few.position), limit=100)
        none = reader.tail(View(), after=int(many.position), limit=100)

    assert ([int(hit.id) for hit in few.hits], few.position, few.is_cut) == ([11, 13], "13", False)
    assert ([int(hit.id) for hit in cut.hits], cut.is_cut) == ([13], True)
    assert ([int(hit.id) for hit in many.hits], many.is_cut) == (list(range(24, 74)), True)
    assert none == ([], "73", False)


def test_a_store_that_broke_is_unavailable(writer: sqlite3.Connection, path: Path) -> None:
    with pytest.raises(SinkUnavailable, match="no such table"):
        with ExploreReader(path, now=NOW) as reader:
            reader.connection.execute("SELECT * FROM nowhere")


def test_without_a_store_it_is_said(path: Path) -> None:
    with pytest.raises(SinkUnavailable, match="does not exist"):
        ExploreReader(path, now=NOW)


def test_large_documents_that_take_the_time_end_the_page_and_none_is_skipped(
    writer: sqlite3.Connection, path: Path
) -> None:
    time = "2025-01-02T00:00:{:02d}.000Z"
    put(writer, *({"@timestamp": time.format(n), "message": "x" * 100_000} for n in range(5)))

    with ExploreReader(path, now=NOW, is_time_up=lambda: True) as reader:
        first = reader.page(View(), limit=3)
        everything = walk(reader, View(), 3)
        tail = reader.tail(View(), after=0, limit=3)

    assert [int(hit.id) for hit in first.hits] == [5]
    assert first.looked_back_to == time.format(4)
    assert everything == [5, 4, 3, 2, 1]
    assert ([int(hit.id) for hit in tail.hits], tail.is_cut) == ([5], True)
