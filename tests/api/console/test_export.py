"""A view as a file, over a real socket; what is exported of it, `test_explore` says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest

from ptingest.api.console import export
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.errors import SinkUnavailable
from ptingest.model.explore import Hit
from tests.support.console import console
from tests.support.waiting import PATIENCE_SECONDS

PAGE = "/console/explore/export?q=&since="


class Endless:
    """Exports pages without end, or up to where its store is lost."""

    def __init__(self, *, pages: int | None = None) -> None:
        self._pages = pages
        self.ended = asyncio.Event()

    async def close(self) -> None: ...

    async def export(self, _: Any) -> AsyncIterator[list[Hit]]:
        body = '{"message":"' + "x" * 10_000 + '"}'
        number = 0
        try:
            while number != self._pages:
                number += 1
                yield [
                    Hit(str(number), None, "2025-01-01T00:00:00.000Z", "logs-a-pt", None, body)
                ] * 100
        finally:
            self.ended.set()
        raise SinkUnavailable(sink="store", cause="the disk is gone")

    async def whole(self, _: str) -> AsyncIterator[bytes]:
        raise AssertionError("no document of these pages is cut")
        yield b""


def dependencies(explorer: Endless) -> ConsoleDependencies:
    return ConsoleDependencies(explorer=cast(Any, explorer))  # of an explorer only what is exported


async def test_a_file_that_ends_early_does_not_look_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with console(dependencies=dependencies(Endless(pages=2))) as served:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with served.http.get(PAGE) as answer:
                await answer.read()

    assert "an export was cut: the disk is gone" in caplog.text


async def test_a_store_that_is_lost_at_once_is_said() -> None:
    async with console(dependencies=dependencies(Endless(pages=0))) as served:
        async with served.http.get(PAGE) as answer:
            assert (answer.status, "the disk is gone" in await answer.text()) == (503, True)


async def test_a_reader_that_stands_still_does_not_keep_others_from_exporting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(export, "WRITE_SECONDS", 0.2)
    explorer = Endless()
    async with console(dependencies=dependencies(explorer)) as served:
        async with served.http.get(PAGE) as answer:
            await asyncio.wait_for(
                explorer.ended.wait(), PATIENCE_SECONDS
            )  # nothing is read meanwhile

            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()

    assert "the client stopped reading" in caplog.text


async def test_a_reader_that_leaves_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    async with console(dependencies=dependencies(Endless())) as served:
        async with served.http.get(PAGE) as answer:
            await answer.content.readexactly(10)
        async with served.http.get("/livez") as answer:
            assert answer.status == 200

    assert "a bug" not in caplog.text
