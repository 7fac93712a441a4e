"""What a request passes first: Host, body, turn; and what the log says of what is no request."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import pytest

from ptingest.api import app
from ptingest.api.connections import PER_ADDRESS
from tests.support.console import console
from tests.support.waiting import PATIENCE_SECONDS

PATHS = [*app.PATHS, "/", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9600", "192.0.2.7", "[2001:db8::1]"]
)
async def test_on_loopback_nobody_is_answered_under_another_name(path: str, host: str) -> None:
    async with console() as served, served.http.get(path, headers={"Host": host}) as answer:
        assert answer.status == 403
        assert host in await answer.text()


@pytest.mark.parametrize("host", ["localhost:9600", "127.0.0.1", "127.8.8.8:1", "[::1]:9600"])
async def test_names_of_this_host_are_answered(host: str) -> None:
    async with console() as served, served.http.get("/livez", headers={"Host": host}) as answer:
        assert answer.status == 200


async def test_a_request_without_a_host_is_answered() -> None:
    async with console() as served:
        assert await exchange(served.port, b"GET /livez HTTP/1.0\r\n\r\n") == b"HTTP/1.0 200 OK"


@pytest.mark.parametrize(
    "settings", [{"listen": "0.0.0.0:0"}, {"token": "a-token-for-this-test-of-the-gate"}], ids=str
)
async def test_elsewhere_and_with_a_token_probes_use_what_names_they_like(
    settings: dict[str, str],
) -> None:
    async with console(**settings) as served:  # type: ignore[arg-type]
        headers = {"Host": "ptingest.logging.svc:9600"}
        async with served.http.get("/livez", headers=headers) as answer:
            assert answer.status == 200


async def exchange(port: int, data: bytes) -> bytes:
    """Send ``data`` and return the first line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await reader.readline()).strip()
    finally:
        writer.close()


UNFINISHED = (
    b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\n{"
)


async def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.1)

    async with console(token="a-token-for-this-test-of-the-gate") as served:
        assert b" 408 " in await exchange(served.port, UNFINISHED)


@pytest.mark.parametrize("unfinished", [UNFINISHED, UNFINISHED[:30], b""], ids=["body", "head", ""])
async def test_probes_are_answered_beside_requests_that_never_end(
    unfinished: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with console(token="a-token-for-this-test-of-the-gate") as served:
        waiting = []
        for _ in range(3 * PER_ADDRESS):
            waiting.append(await asyncio.open_connection("127.0.0.1", served.port))
            waiting[-1][1].write(unfinished)

        probe = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answers = {await exchange(served.port, probe) for _ in range(20)}

        for _, writer in waiting:
            writer.close()
    assert answers == {b"HTTP/1.1 200 OK"}
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_a_multipart_form_is_refused() -> None:
    async with console(token="a-token-for-this-test-of-the-gate") as served:
        form = aiohttp.FormData()
        form.add_field("token", b"x", filename="x")
        async with served.http.post("/console/login", data=form) as answer:
            assert answer.status == 415


NO_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nno header at all\r\n\r\n",
    b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 4\r\n\r\nabcd",
    b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\na\r\nzz\r\n",
]


@pytest.mark.parametrize("data", NO_HTTP, ids=lambda data: repr(data[:60]))
async def test_what_is_no_http_is_at_most_one_quiet_line(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with console(token="a-token-for-this-test-of-the-gate") as served:
        await exchange(served.port, data)

    said = [one for one in caplog.records if "a wrong token from" not in one.getMessage()]
    assert [one for one in said if one.exc_info or one.levelno >= logging.WARNING] == []
    assert len(said) <= 1
