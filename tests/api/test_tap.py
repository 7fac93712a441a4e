"""Events over HTTP: to whom they are shown, and how a reader that stands still is let go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from ptingest.api import tap as tap_module
from ptingest.errors import QueryInvalid, TapsBusy
from ptingest.model.watching import TapRequest
from ptingest.settings.api import ApiSettings
from tests.support.api import api_server
from tests.support.waiting import PATIENCE_SECONDS, until


class Reader:
    """Gives what is put into it."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_closed = asyncio.Event()

    async def read(self) -> bytes:
        return await self.lines.get()

    def close(self) -> None:
        self.is_closed.set()


class FakeTaps:
    def __init__(self) -> None:
        self.wishes: list[TapRequest] = []
        self.reader = Reader()
        self.refuses: Exception | None = None

    async def begin(self, wish: TapRequest) -> Reader:
        if self.refuses is not None:
            raise self.refuses
        self.wishes.append(wish)
        return self.reader


@pytest.fixture
def taps() -> FakeTaps:
    return FakeTaps()


@pytest.fixture
async def url(taps: FakeTaps) -> AsyncIterator[str]:
    async with api_server(taps=taps) as server:
        yield f"http://127.0.0.1:{server.port}/tap"


async def get(url: str, **more: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url, **more) as answer:
        return answer.status, json.loads(await answer.read())


async def test_lines_come_as_they_are_told_and_the_end_is_clean(taps: FakeTaps, url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        taps.reader.lines.put_nowait(b'{"fate":"passed"}\n')
        first = await answer.content.readline()
        taps.reader.lines.put_nowait(b'{"ended":"done"}\n')
        taps.reader.lines.put_nowait(b"")
        rest = await answer.content.read()

    assert (first, rest) == (b'{"fate":"passed"}\n', b'{"ended":"done"}\n')
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["Cache-Control"] == "no-store"
    await asyncio.wait_for(taps.reader.is_closed.wait(), PATIENCE_SECONDS)


async def test_the_wish_is_read_from_the_address(taps: FakeTaps, url: str) -> None:
    taps.reader.lines.put_nowait(b"{}\n")
    taps.reader.lines.put_nowait(b"")

    await get(f"{url}?query=service:django%20or%20a&fate=passed&fate=dropped&share=0.25&raw=1")

    assert taps.wishes == [TapRequest("service:django or a", ("passed", "dropped"), True, 0.25)]


@pytest.mark.parametrize(
    "asked", ["fate=stored", "share=0", "share=2", "share=x", "qery=a"], ids=str
)
async def test_a_wish_that_makes_no_sense_is_400(asked: str, taps: FakeTaps, url: str) -> None:
    status, answer = await get(f"{url}?{asked}")

    assert status == 400
    assert answer["error"]
    assert taps.wishes == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (QueryInvalid(query="a:", column=3, seen="the end", expected="a value"), 400),
        (TapsBusy(limit=4), 503),
    ],
)
async def test_why_no_tap_is_opened_is_said(
    error: Exception, status: int, taps: FakeTaps, url: str
) -> None:
    taps.refuses = error

    assert await get(url) == (status, {"error": str(error)})


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"Host": "evil.example:9600"}, "api.token"),
        ({"Origin": "http://evil.example"}, "web pages"),
        ({"Sec-Fetch-Site": "cross-site"}, "web pages"),
    ],
    ids=["a name that was made to point here", "an origin", "from another site"],
)
async def test_web_pages_of_others_see_nothing(
    headers: dict[str, str], word: str, taps: FakeTaps, url: str
) -> None:
    status, answer = await get(url, headers=headers)

    assert status == 403
    assert word in answer["error"]
    assert taps.wishes == []


async def test_with_a_token_only_who_shows_it_sees_events(taps: FakeTaps) -> None:
    taps.reader.lines.put_nowait(b"{}\n")
    taps.reader.lines.put_nowait(b"")
    settings = ApiSettings(listen="127.0.0.1:0", token=SecretStr("s3cret"))
    async with api_server(settings, taps=taps) as server:
        url = f"http://127.0.0.1:{server.port}/tap"
        async with aiohttp.ClientSession() as session, session.get(url) as refused:
            assert refused.status == 401
        shown = {"Authorization": "Bearer s3cret", "Host": "logs.example"}
        assert await get(url, headers=shown) == (200, {})


async def test_a_reader_that_leaves_closes_its_tap(taps: FakeTaps, url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url):
        taps.reader.lines.put_nowait(b"{}\n")

    def is_closed() -> bool:
        taps.reader.lines.put_nowait(b"{}\n")
        return taps.reader.is_closed.is_set()

    await until(is_closed)


async def test_a_reader_that_stands_still_is_told_and_let_go(
    taps: FakeTaps, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module, "SLOW_SECONDS", 0.1)
    is_done, were_done = tap_module._Writes.is_done, list[bool]()

    async def noted(*write: Any) -> bool:
        were_done.append(await is_done(*write))
        return were_done[-1]

    monkeypatch.setattr(tap_module._Writes, "is_done", noted)
    host, port = url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(b"GET /tap HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    for _ in range(200):
        taps.reader.lines.put_nowait(b"x" * 100_000 + b"\n")

    try:
        # Not a byte is read until the server has given up on its lines, and then on its farewell.
        await until(lambda: False in were_done[:-1])
        said = await asyncio.wait_for(reader.read(-1), PATIENCE_SECONDS)
    finally:
        writer.close()

    assert taps.reader.lines.qsize() > 0, "the rest was not even taken from the tap"
    assert b"events do not wait for taps" in said[-300:]
    await asyncio.wait_for(taps.reader.is_closed.wait(), PATIENCE_SECONDS)


async def test_a_reader_that_never_reads_again_is_cut_off(
    taps: FakeTaps, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module, "SLOW_SECONDS", 0.05)
    monkeypatch.setattr(tap_module, "FAREWELL_SECONDS", 0.1)
    host, port = url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(b"GET /tap HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    for _ in range(200):
        taps.reader.lines.put_nowait(b"x" * 100_000 + b"\n")

    await asyncio.wait_for(taps.reader.is_closed.wait(), PATIENCE_SECONDS)
    try:
        with pytest.raises(ConnectionError):
            while await reader.read(1 << 16):
                pass
    finally:
        writer.close()
