"""Lines that fit no pattern, read from a real store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ptingest.api.console import failed_lines
from ptingest.api.console.dry_run import DryRun
from ptingest.api.console.failed_lines import FailedLines, failed_query
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.sinks.store.read.pool import StoreExplorer
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.console import console
from tests.support.store_documents import document, insert

HOSTILE = "<script>alert(1)</script> \u202e"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path / "store.sqlite")
    yield connection
    connection.close()


@pytest.fixture
def dry_run() -> DryRun:
    pipeline = compile_profile(load_profile(packaged_profile_path(), {}))
    return DryRun(lambda: pipeline)


def put(store: sqlite3.Connection, *lines: str, service: str = "nginx", **more: Any) -> None:
    """Store lines without a pattern, the first one oldest."""
    begin = datetime.now(UTC) - timedelta(minutes=10)
    rows = [
        {
            "@timestamp": f"{begin + timedelta(seconds=number):%Y-%m-%dT%H:%M:%S}.000Z",
            "service": service,
            "message": line,
            "tags": ["_grokparsefailure_pt"],
            **more,
        }
        for number, line in enumerate(lines)
    ]
    with transaction(store):
        insert(store, [document(row, key=None) for row in rows])


async def test_like_lines_are_one_row_with_the_newest_of_them(
    tmp_path: Path, store: sqlite3.Connection, dry_run: DryRun
) -> None:
    put(store, 'GET "/a" 200', 'GET "/b/c?d=1" 404', "INFO|a.b", 'POST "/x" 201')
    put(store, "other", service="react")
    put(store, "INFO|a|2025|fits", service="django", tags=["fine"])

    page = await FailedLines(StoreExplorer(tmp_path / "store.sqlite"), dry_run).look()

    nginx, react = page.services
    assert (nginx.service, nginx.documents, nginx.looked_at, nginx.more) == ("nginx", 4, 4, 0)
    first, second = nginx.groups
    assert (first.lines, first.example, first.shape) == (3, 'POST "/x" 201', 'a "a" 0')
    assert second.near is not None
    assert (second.near.pattern, second.near.missing) == ("dotted_milliseconds", "`|`")
    assert (react.service, react.documents) == ("react", 1)
    asked = parse_qs(urlsplit(nginx.address).query)
    assert asked["q"] == ["tags:_grokparsefailure_pt and service:nginx"]


async def test_what_is_left_out_is_counted(
    tmp_path: Path,
    store: sqlite3.Connection,
    dry_run: DryRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, limit in (("SERVICES", 1), ("LINES", 3), ("GROUPS", 1)):
        monkeypatch.setattr(failed_lines, name, limit)
    put(store, "a", "a b", "(a)", "[a]", "a")
    put(store, "x", service="react")

    page = await FailedLines(StoreExplorer(tmp_path / "store.sqlite"), dry_run).look()

    (nginx,) = page.services
    assert page.more_services == 1
    assert (nginx.documents, nginx.looked_at, len(nginx.groups), nginx.more) == (5, 3, 1, 2)


async def test_the_answer_is_used_again_for_a_while(
    tmp_path: Path, store: sqlite3.Connection, dry_run: DryRun
) -> None:
    now = 0.0
    lines = FailedLines(StoreExplorer(tmp_path / "store.sqlite"), dry_run, clock=lambda: now)
    assert (await lines.look()).services == []
    put(store, "a")

    assert (await lines.look()).services == []
    now += failed_lines.FRESH_SECONDS
    assert len((await lines.look()).services) == 1


async def test_a_store_that_cannot_be_read_is_told(tmp_path: Path, dry_run: DryRun) -> None:
    page = await FailedLines(StoreExplorer(tmp_path / "none.sqlite"), dry_run).look()

    assert page.failure
    assert page.services == ()


def test_several_groups_have_several_tags() -> None:
    assert failed_query(["_a"]) == "tags:_a"
    assert failed_query(["_a", "b c"]) == '(tags:_a or tags:"b c")'


async def test_the_page_shows_lines_as_text_with_a_way_to_explore_and_to_try_them(
    tmp_path: Path, store: sqlite3.Connection, dry_run: DryRun
) -> None:
    put(store, HOSTILE, service=HOSTILE)
    dependencies = ConsoleDependencies(
        dry_run=dry_run, explorer=StoreExplorer(tmp_path / "store.sqlite")
    )
    async with console(dependencies=dependencies) as served:
        page = await served.read("/console/failures")

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ⟨U+202E⟩" in page
    assert 'href="/console/explore?q=tags%3A_grokparsefailure_pt+and+service' in unescape(page)
    assert "1 line without a pattern" in page
    assert "no text of an event is shown" not in page
