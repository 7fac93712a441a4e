from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.model.explore import Sort, View
from ptingest.sinks.store.read import pool as exploring
from ptingest.sinks.store.read.pool import ExploreLimits, StoreExplorer
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert
from tests.support.store_segments import bodies

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = open_writer(tmp_path / "store.sqlite")
    with transaction(writer):
        insert(writer, [document(body) for body in bodies(3000, seed=2)])
    writer.close()
    return tmp_path / "store.sqlite"


async def test_a_page_comes_with_its_counts_and_its_time(path: Path) -> None:
    look = await StoreExplorer(path).look(
        View("service:django"), place=None, limit=10, is_patient=False
    )

    assert len(look.page.hits) == 10
    assert look.counts.documents > 900
    assert (0 < look.seconds < 60, look.is_empty) == (True, False)


async def test_an_empty_store_is_told_from_one_without_hits(tmp_path: Path, path: Path) -> None:
    open_writer(tmp_path / "empty.sqlite").close()
    view = View("service:nothing")

    empty = await StoreExplorer(tmp_path / "empty.sqlite").look(
        view, place=None, limit=1, is_patient=False
    )
    none = await StoreExplorer(path).look(view, place=None, limit=1, is_patient=False)

    assert (empty.counts.documents, none.counts.documents) == (0, 0)
    assert (empty.is_empty, none.is_empty) == (True, False)


async def test_the_store_may_come_later(tmp_path: Path) -> None:
    explorer = StoreExplorer(tmp_path / "store.sqlite")

    with pytest.raises(SinkUnavailable, match="nothing has been stored"):
        await explorer.position()

    open_writer(tmp_path / "store.sqlite").close()
    assert await explorer.position() == "0"


async def test_an_export_gives_everything_once(path: Path) -> None:
    explorer = StoreExplorer(path, ExploreLimits(export_rows=700))

    pages = [hits async for hits in explorer.export(View())]

    ids = [int(hit.id) for hits in pages for hit in hits]
    assert len(pages) == 5
    assert sorted(ids) == list(range(1, 3001))


async def test_documents_values_fields_and_the_tail_are_reached(path: Path) -> None:
    explorer = StoreExplorer(path)

    found = await explorer.document("5", around=2)
    values = await explorer.values("service", beginning="dj", limit=5)
    tail = await explorer.tail(View("service:django"), after="2990", limit=100)

    assert found is not None
    assert (int(found[0].id), len(found[1].before)) == (5, 2)
    assert await explorer.document("99999", around=2) is None
    assert await explorer.document("no number", around=2) is None
    assert [one.text for one in values] == ["django"]
    assert "number" in await explorer.fields()
    assert tail.position == "3000"


async def test_an_unreadable_query_is_told_as_such(path: Path) -> None:
    with pytest.raises(QueryInvalid):
        await StoreExplorer(path).look(View("a:"), place=None, limit=1, is_patient=False)


async def test_a_question_that_nobody_waits_for_is_interrupted(path: Path) -> None:
    explorer = StoreExplorer(path)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def endless(_: object, reader: exploring.ExploreReader) -> object:
        loop.call_soon_threadsafe(begun.set)
        return reader.connection.execute(ENDLESS).fetchone()

    question = asyncio.create_task(explorer._ask(endless))
    await begun.wait()
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question

    assert await explorer.position() == "3000", "the thread is free again"


async def test_a_question_without_end_is_ended(path: Path) -> None:
    with pytest.raises(SinkUnavailable, match="interrupted"):
        await StoreExplorer(path, ExploreLimits(end_seconds=0.0))._ask(
            lambda _, reader: reader.connection.execute(ENDLESS).fetchone(),
            seconds=0.01,
        )


async def test_more_questions_than_may_wait_are_refused(path: Path) -> None:
    explorer = StoreExplorer(path, ExploreLimits(waiting=0))

    with pytest.raises(SinkUnavailable, match="wait already"):
        await explorer.position()


async def test_the_first_view_learns_when_the_newest_document_was(path: Path) -> None:
    newest = await StoreExplorer(path).newest_time()
    hits = [hit async for hits in StoreExplorer(path).export(View()) for hit in hits]

    assert newest == hits[0].timestamp is not None


async def test_a_view_says_which_of_its_fields_no_document_has(path: Path) -> None:
    explorer = StoreExplorer(path)

    async def unknown(view: View) -> list[str]:
        look = await explorer.look(view, place=None, limit=10, is_patient=False)
        return list(look.unknown_fields)

    assert await unknown(View("numbr >= 0 or service:django")) == ["numbr"]
    assert await unknown(View("number >= 0 and stream:*")) == []
    assert await unknown(View(sort=Sort("numbre"), facets=("number", "oops"))) == ["numbre", "oops"]


async def test_the_command_line_gets_whole_documents_oldest_first(path: Path) -> None:
    explorer, view = StoreExplorer(path), View("service:django")

    hits = [hit async for hits in explorer.search(view) for hit in hits]
    newest = [hit async for hits in explorer.search(view, limit=3) for hit in hits]
    counted = dict(await explorer.count_by(view, "service"))

    assert [hit.timestamp or "" for hit in hits] == sorted(hit.timestamp or "" for hit in hits)
    assert newest == hits[-3:]
    assert await explorer.count(view) == len(hits) == counted["django"]
    await explorer.close()


async def test_a_search_that_nobody_waits_for_is_interrupted(path: Path) -> None:
    explorer = StoreExplorer(path)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    with exploring.StoreReader(path, now=datetime.now(UTC)) as reader:

        def endless() -> object:
            loop.call_soon_threadsafe(begun.set)
            return reader._connection.execute(ENDLESS).fetchone()

        searching = asyncio.create_task(explorer._work(reader, endless))
        await begun.wait()
        searching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await searching


async def test_when_time_is_up_the_answer_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptingest.sinks.store.read.pagination.FIRST_ROWS", 100)
    limits = ExploreLimits(seconds=-1.0, patient_seconds=60.0)
    explorer, view = StoreExplorer(path, limits), View("number >= 0")

    hasty = await explorer.look(view, place=None, limit=10, is_patient=False)
    patient = await explorer.look(view, place=None, limit=10, is_patient=True)

    assert not hasty.counts.is_whole or hasty.counts.documents == 3000
    assert (patient.counts.is_whole, patient.counts.documents) == (True, 3000)


def test_a_deadline_may_be_set_again() -> None:
    deadline = exploring._Deadline()

    assert not deadline.is_up()
    deadline.set(-1)
    assert deadline.is_up()
    deadline.set(time.monotonic() + 60)
    assert not deadline.is_up()
    deadline.interrupt()
    assert deadline.is_up()
