"""Questions, news and streams between two ends of a socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest

from ptingest.errors import DataDirLocked, RpcClosed, RpcRefused
from ptingest.workers.rpc import (
    NOTHING,
    NOTIFICATION_BYTES,
    STREAM_BYTES,
    STREAMS,
    Nothing,
    Notification,
    Request,
    RpcConnection,
    Stream,
    open_rpc,
)
from tests.support.waiting import PATIENCE_SECONDS, until


class Pair(msgspec.Struct):
    left: int
    right: int


SUM = Request("sum", Pair, int)
WORD = Notification("word", str)
COUNT = Stream("count", int, int)
TEXTS = Stream("texts", Nothing, str)


@contextlib.asynccontextmanager
async def ends() -> AsyncIterator[tuple[RpcConnection, RpcConnection]]:
    """Two ends that talk; the second is the one that answers in these tests."""
    a, b = socket.socketpair()
    here, there = await open_rpc(a, name="there"), await open_rpc(b, name="here")
    running = [asyncio.create_task(end.run()) for end in (here, there)]
    try:
        yield here, there
    finally:
        here.close()
        there.close()
        await asyncio.gather(*running)


async def add(pair: Pair) -> int:
    return pair.left + pair.right


async def count(most: int) -> AsyncIterator[int]:
    for number in range(most):
        yield number
        await asyncio.sleep(0)  # no race: others may run or not


async def test_a_question_gets_its_answer_whatever_the_order() -> None:
    gate = asyncio.Event()

    async def slow_for_one(pair: Pair) -> int:
        if pair.left == 1:
            await gate.wait()
        return pair.left + pair.right

    async with ends() as (here, there):
        there.on_request(SUM, slow_for_one)
        first = asyncio.ensure_future(here.request(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS))
        second = await here.request(SUM, Pair(3, 4), seconds=PATIENCE_SECONDS)
        gate.set()

        assert (await first, second) == (3, 7)


async def test_both_ends_may_ask() -> None:
    async with ends() as (here, there):
        here.on_request(SUM, add)
        there.on_request(SUM, add)

        assert await here.request(SUM, Pair(1, 1), seconds=PATIENCE_SECONDS) == 2
        assert await there.request(SUM, Pair(2, 2), seconds=PATIENCE_SECONDS) == 4


async def test_an_error_of_ours_comes_back_as_a_refusal_in_its_own_words() -> None:
    async def refuse(_: Pair) -> int:
        raise DataDirLocked(path="/d")

    async with ends() as (here, there):
        there.on_request(SUM, refuse)

        with pytest.raises(RpcRefused, match="/d is in use") as raised:
            await here.request(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)

    assert raised.value.kind == "DataDirLocked"


async def test_a_bug_there_is_a_refusal_here_and_the_channel_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def die(_: Pair) -> int:
        raise KeyError("x")

    async with ends() as (here, there):
        there.on_request(SUM, die)
        with pytest.raises(RpcRefused, match="a bug: KeyError"):
            await here.request(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)
        there.on_request(SUM, add)

        assert await here.request(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS) == 3

    assert "Traceback" in caplog.text


async def test_what_nobody_answers_is_refused() -> None:
    async with ends() as (here, _):
        with pytest.raises(RpcRefused, match="no handler for 'sum'"):
            await here.request(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)


async def test_a_question_without_an_answer_ends_in_time() -> None:
    async def never(_: Pair) -> int:
        await asyncio.Event().wait()
        return 0

    async with ends() as (here, there):
        there.on_request(SUM, never)

        with pytest.raises(TimeoutError):
            await here.request(SUM, Pair(1, 2), seconds=0.05)


async def test_who_waits_for_an_end_that_dies_is_told() -> None:
    async def die(_: Pair) -> int:
        there.close()
        return 0

    async with ends() as (here, there):
        there.on_request(SUM, die)

        with pytest.raises(RpcClosed, match="there is gone"):
            await here.request(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)
        with pytest.raises(RpcClosed):
            await here.request(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)
        with pytest.raises(RpcClosed):
            here.stream(COUNT, 3)
        assert here.notify(WORD, "x") is False


async def test_news_arrive_in_order() -> None:
    heard: list[str] = []
    done = asyncio.Event()

    def hear(word: str) -> None:
        heard.append(word)
        if word == "last":
            done.set()

    async with ends() as (here, there):
        there.on_notification(WORD, hear)
        for word in ("a", "b", "last"):
            assert here.notify(WORD, word) is True
        await done.wait()

    assert heard == ["a", "b", "last"]


async def test_news_for_one_who_does_not_read_are_not_piled_up() -> None:
    a, b = socket.socketpair()
    here = await open_rpc(a, name="there")
    sent = 0
    try:
        while here.notify(WORD, "x" * (1 << 20)):
            sent += 1
    finally:
        here.close()
        b.close()

    assert NOTIFICATION_BYTES >> 20 <= sent <= (NOTIFICATION_BYTES >> 20) + 3


async def test_a_stream_gives_every_item_and_ends() -> None:
    async with ends() as (here, there):
        there.on_stream(COUNT, count)

        found = [item async for item in here.stream(COUNT, 100)]

    assert found == list(range(100))


async def test_a_reader_that_leaves_ends_the_making() -> None:
    ended = asyncio.Event()

    async def forever(_: int) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)  # no race: others may run or not
        finally:
            ended.set()

    async with ends() as (here, there):
        there.on_stream(COUNT, forever)
        stream = here.stream(COUNT, 0)
        assert await anext(stream) == 1

        stream.close()

        await ended.wait()


async def test_a_slow_reader_loses_items_and_knows_how_many() -> None:
    async with ends() as (here, there):
        there.on_stream(COUNT, count)
        stream = here.stream(COUNT, 50, room=10)
        there.on_request(SUM, add)
        while there._producers or not stream.lost:  # until all were made and sent
            await here.request(SUM, Pair(1, 1), seconds=PATIENCE_SECONDS)
        await here.request(SUM, Pair(1, 1), seconds=PATIENCE_SECONDS)

        found = [item async for item in stream]

    assert (found, stream.lost) == (list(range(10)), 40)


async def test_a_full_wire_costs_items_and_never_holds_up_the_maker() -> None:
    made = 0

    async def large(_: Nothing) -> AsyncIterator[str]:
        nonlocal made
        for _ in range(200):
            made += 1
            yield "x" * (64 << 10)

    a, b = socket.socketpair()
    maker = await open_rpc(a, name="reader")
    maker.on_stream(TEXTS, large)
    running = asyncio.create_task(maker.run())
    reader = await open_rpc(b, name="maker")
    stream = reader.stream(TEXTS, NOTHING)
    await until(lambda: made == 200)  # nobody reads yet
    assert maker._unwritten() < STREAM_BYTES + (128 << 10)

    reading = asyncio.create_task(reader.run())
    found = [item async for item in stream]
    maker.close()
    await asyncio.gather(running, reading)

    assert 0 < len(found) < 200
    assert all(len(item) == 64 << 10 for item in found)


async def test_a_stream_that_cannot_go_on_says_why() -> None:
    async def dies(_: int) -> AsyncIterator[int]:
        yield 1
        raise DataDirLocked(path="/d")

    async with ends() as (here, there):
        there.on_stream(COUNT, dies)
        stream = here.stream(COUNT, 0)

        assert await anext(stream) == 1
        with pytest.raises(RpcRefused, match="/d is in use"):
            await anext(stream)
        with pytest.raises(RpcRefused, match="no stream 'texts'"):
            await anext(here.stream(TEXTS, NOTHING))


async def test_there_are_only_so_many_streams() -> None:
    async def forever(_: int) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async with ends() as (here, there):
        there.on_stream(COUNT, forever)
        streams = [here.stream(COUNT, 0) for _ in range(STREAMS)]
        for stream in streams:
            assert await anext(stream) == 1

        with pytest.raises(RpcRefused, match="too many"):
            await anext(here.stream(COUNT, 0))


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x02\x92\x01"],
    ids=["too large", "no MessagePack", "no frame"],
)
async def test_a_frame_that_breaks_the_format_closes_the_channel(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = socket.socketpair()
    here = await open_rpc(a, name="there")
    b.sendall(data)

    await here.run()
    b.close()

    assert here.is_closed
    assert "cannot be handled" in caplog.text


async def test_who_waits_for_a_channel_does_not_fall_with_what_falls_over_its_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fall(_: str) -> None:
        raise ZeroDivisionError

    async with ends() as (here, there):
        there.on_notification(WORD, fall)
        here.notify(WORD, "now")
        await until(lambda: there.is_closed)

    assert "ZeroDivisionError" in caplog.text
