"""The page Explore, over a real socket and a real store."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from ptingest.api.console import explore
from ptingest.api.console.dry_run import DryRun
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.console import SavedSearch
from ptingest.settings.load import load_profile
from ptingest.sinks.store.read.pool import ExploreLimits, StoreExplorer
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.console import Served, console
from tests.support.profile import shipped_profile
from tests.support.store_documents import document, insert
from tests.support.waiting import PATIENCE_SECONDS

LINE = "ERROR|apps.parcels.views|2025-01-02T03:04:05.678|carrier said no"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"
PAGE = "/console/explore?since="


def parcel(second: int, **more: Any) -> dict[str, Any]:
    return {
        "@timestamp": f"2025-01-02T03:04:{second:02d}.000Z",
        "group": "pt",
        "service": "django",
        "log_level": "ERROR" if second % 10 == 5 else "INFO",
        "logger_name": "apps.parcels.views",
        "message": LINE,
        "log_message": f"carrier said no, {second}",
        "event": {"original": LINE},
        "log": {"offset": second * 100, "file": {"path": "/var/log/pt/django.log"}},
        **more,
    }


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path / "store.sqlite")
    yield connection
    connection.close()


@pytest.fixture
async def served(tmp_path: Path, store: sqlite3.Connection) -> AsyncIterator[Served]:
    pipeline = compile_profile(load_profile(packaged_profile_path(), {}))
    dependencies = ConsoleDependencies(
        dry_run=DryRun(lambda: pipeline), explorer=StoreExplorer(tmp_path / "store.sqlite")
    )
    async with console(dependencies=dependencies) as served:
        yield served


def put(store: sqlite3.Connection, *rows: dict[str, Any]) -> None:
    with transaction(store):
        insert(store, [document(row, key=f"key{row['log']['offset']}") for row in rows])


def text_of(page: str) -> str:
    body = page[page.index("<main") :]
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def links(page: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'href="([^"]+)"', page)]


async def test_documents_stand_with_counts_histogram_and_values_beside_them(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, *(parcel(second) for second in range(60)))

    page = await served.read(PAGE)

    text = text_of(page)
    assert "60 documents in" in text
    assert "ERROR 6 INFO 54" in text
    assert "django 60" in text
    assert text.index("carrier said no, 59") < text.index("carrier said no, 0")
    assert 'aria-label="2025-01-02 03:04:05: 1 document (ERROR 1)"' in page


async def test_example_queries_ask_for_the_group_of_the_profile(
    tmp_path: Path, store: sqlite3.Connection
) -> None:
    (group,) = shipped_profile().groups
    shop = group.model_copy(update={"group": "big shop"})
    pipeline = compile_profile(shipped_profile().model_copy(update={"groups": (shop,)}))
    put(store, parcel(1))

    dependencies = ConsoleDependencies(
        dry_run=DryRun(lambda: pipeline), explorer=StoreExplorer(tmp_path / "store.sqlite")
    )
    async with console(dependencies=dependencies) as served:
        text = text_of(await served.read(PAGE))

    assert 'group:"big shop" AND service:django AND log_level:ERROR' in text
    assert "group:pt" not in text


async def test_a_click_on_a_value_adds_it_and_a_second_takes_it_out(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, *(parcel(second) for second in range(20)))

    page = await served.read(f"{PAGE}&q=service:django")
    narrower = next(one for one in links(page) if "q=service%3Adjango+and+log_level%3AERROR" in one)
    narrowed = await served.read(narrower)
    excluded = await served.read(next(one for one in links(page) if "not+log_level%3AERROR" in one))

    assert "2 documents in" in text_of(narrowed)
    assert "18 documents in" in text_of(excluded)
    assert "q=service%3Adjango&since=" in " ".join(links(narrowed))


@pytest.mark.parametrize("is_begun", [False, True], ids=["no file", "a file without tables"])
async def test_before_there_is_a_store_it_says_how_to_begin(tmp_path: Path, is_begun: bool) -> None:
    path = tmp_path / "new.sqlite"
    if is_begun:
        path.touch()
    async with console(dependencies=ConsoleDependencies(explorer=StoreExplorer(path))) as served:
        page = text_of(await served.read("/console/explore"))

    assert "There are no documents yet in the embedded store." in page
    assert "ptingest send /tmp/hello.log" in page


async def test_pages_follow_each_other(
    served: Served, store: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "PAGE_ROWS", 25)
    put(store, *(parcel(second) for second in range(60)))
    seen: list[str] = []
    address: str | None = PAGE

    while address is not None:
        page = await served.read(address)
        seen += re.findall(r'data-row="(\d+)"', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        address = unescape(older[1]) if older else None

    assert seen == [str(number) for number in range(60, 0, -1)]


async def test_a_step_of_the_histogram_leads_to_its_documents(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, *(parcel(second) for second in range(60)))

    page = await served.read(PAGE)
    step = re.search(r'href="([^"]+)" class="step" data-start="2025-01-02T03:04:07', page)
    assert step is not None

    assert "1 document in" in text_of(await served.read(unescape(step[1])))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("q=service:", "cannot be read at column 9: the query ends"),
        ("q=a:1 or (b", "at column 10"),
        ("q=&since=soon", "A part of the address cannot be read"),
        ("q=&place=nowhere", "A part of the address cannot be read"),
    ],
)
async def test_what_cannot_be_read_is_pointed_at(
    served: Served, store: sqlite3.Connection, address: str, words: str
) -> None:
    async with served.http.get(f"/console/explore?{address}") as answer:
        text = text_of(await answer.text())

    assert answer.status == 400
    assert words in text


async def test_a_document_has_a_page_with_its_parse_and_its_neighbours(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, *(parcel(second) for second in (1, 3, 2)))

    page = await served.read("/console/explore/document?id=3&q=service:django&columns=service")

    text = text_of(page)
    assert text.index("carrier said no, 2") < text.index("log_level") < text.index("Other fields")
    assert text.index("log.file.path") < text.index("Other fields")
    assert text.count("carrier said no, 2") == 2  # on top, and in its row among the others
    assert "log_message + − ▦ ∑ the message above" in text
    assert "key200" in text
    assert "How the line is parsed" in text
    assert " fits" in text
    assert "Before and after, in the same file" in text
    times = re.findall(r'class="when"><a [^>]+><time [^>]+>([^<]+)', page)
    assert times == [f"2025-01-02 03:04:0{second}.000" for second in (1, 2, 3)]
    assert any("service%3Adjango+and+host" not in one and "q=service%3Adjango" in one
               for one in links(page))  # fmt: skip


async def test_what_was_asked_for_is_marked_in_rows_and_on_a_documents_page(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1, log_message="the Carrier said <b>no</b>"))

    rows = await served.read(f"{PAGE}&q=service:django and carrier")
    page = await served.read("/console/explore/document?id=1&q=no")

    assert "<mark>django</mark>" in rows
    assert "the <mark>Carrier</mark> said &lt;b&gt;no&lt;/b&gt;" in rows
    assert "said &lt;b&gt;<mark>no</mark>&lt;/b&gt;" in page


async def test_saved_searches_are_offered_and_this_view_can_become_one(
    tmp_path: Path, store: sqlite3.Connection
) -> None:
    put(store, parcel(5), parcel(1))
    saved = SavedSearch(name="Errors <b>", view="q=log_level%3AERROR&since=")
    dependencies = ConsoleDependencies(
        explorer=StoreExplorer(tmp_path / "store.sqlite"), searches=[saved]
    )
    async with console(dependencies=dependencies) as served:
        page = await served.read(f"{PAGE}&q=service:django&columns=message")
        found = re.search(r'href="([^"]+)">Errors &lt;b&gt;', page)
        assert found is not None
        errors = await served.read(unescape(found[1]))

    assert "1 document in" in text_of(errors)
    assert 'view: "q=service%3Adjango&since=&columns=message"' in unescape(page)


async def test_the_values_of_any_field_can_be_counted(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1, zone="eu"), parcel(2, zone="us"))

    document = await served.read("/console/explore/document?id=1&facets=service")
    counting = next(one for one in links(document) if "facets=service%2Czone" in one)
    page = await served.read(f"{counting}&since=".replace("explore/document", "explore"))

    assert "zone eu 1 − us 1" in text_of(page)
    assert ">service, zone</textarea>" in page


async def test_a_document_leads_to_its_life_where_lives_are_told(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    put(store, parcel(1))

    class FakeTraces:
        async def why(self, _: object) -> dict[str, object]:
            return {}

    for why, found in ((FakeTraces(), ["/console/life?id=key100"]), (None, [])):
        dependencies = ConsoleDependencies(explorer=StoreExplorer(tmp_path / "store.sqlite"))
        async with console(dependencies=dependencies, why=why) as served:
            page = await served.read("/console/explore/document?id=1")
        assert [one for one in links(page) if "/life" in one] == found


@pytest.mark.parametrize("number", ["99", "x", "", "-1", "9" * 30])
async def test_a_document_that_is_gone_is_said(
    served: Served, store: sqlite3.Connection, number: str
) -> None:
    async with served.http.get(f"/console/explore/document?id={number}") as answer:
        assert answer.status == 404
        assert "retention" in await answer.text()


async def test_everything_of_an_event_is_text(served: Served, store: sqlite3.Connection) -> None:
    hostile = dict.fromkeys(("service", "log_level", "logger_name", "stream"), HOSTILE)
    put(store, parcel(1, **hostile, **{HOSTILE: HOSTILE}, log_message=HOSTILE))

    for address in (
        PAGE,
        f"{PAGE}&q={HOSTILE}&columns={HOSTILE}",
        "/console/explore/document?id=1",
    ):
        async with served.http.get(address) as answer:
            page = await answer.text()
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "alert(1)" in page


@pytest.mark.parametrize(
    ("query", "items"),
    [
        ("log_l", ["log_level:"]),
        ("log_level:", ["ERROR", "INFO"]),
        ("log_level:e", ["ERROR"]),
        ("service:django and log.file.path:/", ["/var/log/pt/django.log"]),
        ("service:nothing", []),
    ],
)
async def test_fields_and_values_are_completed(
    served: Served, store: sqlite3.Connection, query: str, items: list[str]
) -> None:
    put(store, parcel(1), parcel(5))

    answer = json.loads(await served.read(f"/console/explore/complete?q={query}&at={len(query)}"))

    assert sorted(one["text"] for one in answer["items"]) == items


async def test_the_tail_waits_for_what_is_stored_next(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1))
    waiting = asyncio.create_task(
        served.http.get("/console/explore/tail?q=log_level:ERROR&after=1")
    )
    await asyncio.sleep(0)  # no race: stored before the first look or after it, it is told
    put(store, parcel(2), parcel(15))

    async with await waiting as answer:
        rows = await answer.text()

    assert (answer.status, answer.headers["X-Last-Id"], answer.headers["X-Cut"]) == (200, "3", "no")
    assert re.findall(r'data-row="(\d+)"', rows) == ["3"]


async def test_a_tail_that_has_waited_long_comes_back_with_nothing(
    served: Served, store: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "TAIL_SECONDS", 0.0)
    put(store, parcel(1))

    async with served.http.get("/console/explore/tail?q=&after=1") as answer:
        assert (answer.headers["X-Last-Id"], (await answer.text()).strip()) == ("1", "")


async def test_a_tail_that_begins_is_told_at_once_from_where_to_go_on(
    served: Served, store: sqlite3.Connection
) -> None:
    """What is stored between two questions is missed by none who knows where it was."""
    put(store, parcel(1), parcel(2))

    async with asyncio.timeout(explore.TAIL_SECONDS / 5):
        async with served.http.get("/console/explore/tail?q=") as answer:
            assert (answer.headers["X-Last-Id"], (await answer.text()).strip()) == ("2", "")


async def test_tails_and_exports_are_bounded(
    served: Served, store: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "TAILS", 0)
    monkeypatch.setattr(explore, "EXPORTS", 0)

    for path in ("tail?q=", "export?q="):
        async with served.http.get(f"/console/explore/{path}") as answer:
            assert answer.status == 429
            assert "which is the limit" in await answer.text()


async def test_a_view_is_exported_as_lines_of_json(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, *(parcel(second) for second in range(20)))

    async with served.http.get("/console/explore/export?since=&q=log_level:ERROR") as answer:
        lines = (await answer.text()).splitlines()

    assert [json.loads(line)["_id"] for line in lines] == ["key1500", "key500"]
    assert [json.loads(line)["log"]["offset"] for line in lines] == [1500, 500]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="ptingest.ndjson"'
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_view_is_exported_as_a_table_without_formulas(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1, service="=cmd|' /C calc'!A0"), parcel(2))

    text = await served.read("/console/explore/export?since=&as=csv&columns=service,log.offset")

    assert list(csv.reader(io.StringIO(text))) == [
        ["@timestamp", "service", "log.offset"],
        ["2025-01-02T03:04:02.000Z", "django", "200"],
        ["2025-01-02T03:04:01.000Z", "'=cmd|' /C calc'!A0", "100"],
    ]


GIANT = "x" * 3_000_000


async def test_a_large_document_is_cut_on_every_page_and_leads_to_the_whole(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1), parcel(2, log_message=GIANT, other=GIANT), parcel(3))

    view = await served.read(PAGE)
    page = await served.read(f"{PAGE.replace('explore', 'explore/document')}&id=2")
    near = await served.read(f"{PAGE.replace('explore', 'explore/document')}&id=1")
    (whole,) = {link for link in links(view) if "/whole?" in link}
    async with served.http.get(whole) as answer:
        document = await answer.read()

    assert max(len(view), len(page), len(near)) < 100_000
    assert all(f'href="{whole}"' in shown for shown in (view, page))
    assert "5.7 MiB" in view
    assert "3,000,000 bytes" in page
    assert json.loads(document)["other"] == GIANT
    assert answer.content_type == "application/json"
    assert "attachment" in answer.headers["Content-Disposition"]


async def test_an_export_of_lines_has_large_documents_whole_and_a_table_says_where_it_cut(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1), parcel(2, other=GIANT), parcel(3))

    lines = (await served.read("/console/explore/export?since=")).splitlines()
    table = await served.read("/console/explore/export?since=&as=csv&columns=service,other")

    assert [json.loads(line)["log"]["offset"] for line in lines] == [300, 200, 100]
    assert json.loads(lines[1])["other"] == GIANT
    assert json.loads(lines[1])["_id"] == "key200"
    rows = list(csv.reader(io.StringIO(table)))
    assert [row[1] for row in rows] == ["service", "django", "django", "django"]
    assert rows[2][2].endswith("… (3,000,000 bytes)")
    assert len(table) < 10_000


@pytest.mark.parametrize("number", ["99", "x", ""])
async def test_a_whole_document_that_is_not_there_is_said(
    served: Served, store: sqlite3.Connection, number: str
) -> None:
    put(store, parcel(1))

    async with served.http.get(f"/console/explore/document/whole?id={number}") as answer:
        assert answer.status == 404
        assert "no such document" in await answer.text()


async def test_a_giant_label_is_not_offered_as_a_filter(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1), parcel(2, logger_name=GIANT))

    assert len(await served.read(PAGE)) < 100_000


@pytest.mark.parametrize("parts", ["as=xml", "as=csv&q=a:"])
async def test_what_cannot_be_exported_is_said(
    served: Served, store: sqlite3.Connection, parts: str
) -> None:
    async with served.http.get(f"/console/explore/export?{parts}") as answer:
        assert answer.status == 400
        assert "Not exported" in await answer.text()


async def test_an_empty_store_says_how_to_begin(served: Served, store: sqlite3.Connection) -> None:
    assert "ptingest send /tmp/hello.log" in await served.read("/console/explore")


async def test_a_time_without_documents_offers_all_times(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1))

    page = await served.read("/console/explore?since=1h")

    assert "0 documents in" in text_of(page)
    assert "Search all times" in text_of(page)


async def test_the_first_view_is_on_a_span_that_has_documents(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1))

    page = await served.read("/console/explore")

    assert "1 document in" in text_of(page)
    assert all("since=24h" not in one for one in links(page) if "as=csv" in one)


async def test_a_view_leads_to_the_same_in_kibana(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    put(store, parcel(1))

    for url, found in (("http://kibana:5601", 1), (None, 0)):
        explorer = StoreExplorer(tmp_path / "store.sqlite")
        dependencies = ConsoleDependencies(explorer=explorer, kibana_url=url)
        async with console(dependencies=dependencies) as served:
            page = await served.read("/console/explore?since=1h&q=service:django")
        kibana = [one for one in links(page) if one.startswith("http://kibana:5601/app/discover")]
        assert len(kibana) == found
        assert all("from:'now-1h'" in one and "service:django" in one for one in kibana)


async def test_a_parameter_that_is_not_known_is_refused(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1))

    for path in ("", "/document", "/document/whole", "/complete", "/tail", "/export"):
        async with served.http.get(f"/console/explore{path}?q=&sicne=1h") as answer:
            assert answer.status == 400
            assert "no parameter &#39;sicne&#39;; known are q, since" in await answer.text()


async def test_a_view_is_sorted_by_any_field(served: Served, store: sqlite3.Connection) -> None:
    put(store, *(parcel(second, n=second % 3) for second in range(4)))

    page = await served.read(f"{PAGE}&sort=n:asc&columns=n")
    table = await served.read("/console/explore/export?since=&sort=n:desc&as=csv&columns=n")

    assert re.findall(r'data-row="(\d+)"', page) == ["1", "4", "2", "3"]
    assert [line.split(",")[1] for line in table.splitlines()] == ["n", "2", "1", "0", "0"]


async def test_values_of_any_field_are_counted(served: Served, store: sqlite3.Connection) -> None:
    put(store, *(parcel(second, n=second % 3) for second in range(4)))

    usual = text_of(await served.read(PAGE))
    asked = await served.read(f"{PAGE}&facets=n")

    assert "log.file.path /var/log/pt/django.log 4" in usual
    assert "n 0 2" in text_of(asked)
    assert any("q=n%3A0" in one and "facets=n" in one for one in links(asked))


async def test_a_field_that_no_document_has_is_said(
    served: Served, store: sqlite3.Connection
) -> None:
    put(store, parcel(1))

    page = text_of(await served.read(f"{PAGE}&q=servce:django"))

    assert "No such field: as far as the embedded store knows, no document has servce" in page


@pytest.mark.parametrize("part", ["sort=n", "sort=message:asc", "facets=message", "sort=n:up"])
async def test_an_order_or_a_facet_that_makes_no_sense_is_said(
    served: Served, store: sqlite3.Connection, part: str
) -> None:
    put(store, parcel(1))

    async with served.http.get(f"{PAGE}&{part}") as answer:
        assert answer.status == 400
        assert "A part of the address cannot be read" in text_of(await answer.text())


async def test_counts_that_ran_out_of_time_say_at_least(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    explorer = StoreExplorer(tmp_path / "store.sqlite", ExploreLimits(seconds=-1.0))
    put(store, *(parcel(number % 60) | {"log": {"offset": number}} for number in range(5000)))

    async with console(dependencies=ConsoleDependencies(explorer=explorer)) as served:
        text = text_of(await served.read(f"{PAGE}&q=log.offset>=0"))
    assert "at least 0 documents in" in text
    assert "No match" not in text
    assert "The time limit was reached: documents older than" in text


async def test_without_a_store_the_page_says_what_to_do() -> None:
    async with console(dependencies=ConsoleDependencies()) as served:
        page = text_of(await served.read("/console/explore"))

    assert "The config has neither sinks.store nor" in page


async def test_where_a_client_goes_away_looking_ends(
    store: sqlite3.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    class Slow(StoreExplorer):
        async def look(self, *arguments: Any, **more: Any) -> Any:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    async with console(
        dependencies=ConsoleDependencies(explorer=Slow(tmp_path / "store.sqlite"))
    ) as served:
        asking = asyncio.create_task(served.read(PAGE))
        await begun.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await asyncio.wait_for(ended.wait(), PATIENCE_SECONDS)

    assert "a bug" not in caplog.text


async def test_a_store_that_is_too_busy_completes_nothing(
    store: sqlite3.Connection, tmp_path: Path
) -> None:
    explorer = StoreExplorer(tmp_path / "store.sqlite", ExploreLimits(waiting=0))

    async with console(dependencies=ConsoleDependencies(explorer=explorer)) as served:
        text = await served.read("/console/explore/complete?q=serv&at=4")
        async with served.http.get("/console/explore/export?q=") as answer:
            assert (answer.status, "questions wait already" in await answer.text()) == (503, True)

    assert json.loads(text) == {"start": 0, "items": []}
