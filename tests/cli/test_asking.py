"""What is said when a server does not answer a question."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import click
import pytest

from ptingest.cli.asking import Question, Unanswered
from ptingest.settings.api import ApiSettings
from tests.fakes.http_stub import HttpStub


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def http(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


async def ask(address: str) -> bytes:
    question = Question(ApiSettings(), address, seconds=2)
    try:
        return await asyncio.to_thread(lambda: question.ask("POST", "/x", {"a": 1}).read())
    finally:
        question.close()


async def test_an_answer_is_returned() -> None:
    async with answering(http(b"200 OK", b"yes")) as address:
        assert await ask(address) == b"yes"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(b"403 Forbidden", b'{"error": "not for you"}'), "answers 403: not for you"),
        (http(b"404 Not Found", b"nothing here"), "answers 404: nothing here"),
        (b"SSH-2.0-OpenSSH\r\n", "nobody answers"),
        (b"", "nobody answers"),
    ],
    ids=["a refusal", "no such path", "something else", "nothing"],
)
async def test_why_there_is_no_answer_is_said(answer: bytes, words: str) -> None:
    async with answering(answer) as address:
        with pytest.raises(Unanswered, match=words):
            await ask(address)


async def test_a_question_without_sense_is_a_usage_error() -> None:
    async with answering(http(b"400 Bad Request", b'{"error": "column 3"}')) as address:
        with pytest.raises(click.UsageError, match="column 3"):
            await ask(address)


async def test_a_redirect_is_told_and_not_followed() -> None:
    with HttpStub() as other, HttpStub(301, {"Location": other.url}, keeps_path=True) as stub:
        with pytest.raises(Unanswered, match=f"301 to {other.url}: write that into api.listen"):
            await ask(f"127.0.0.1:{stub.port}")

    assert other.requests == []
