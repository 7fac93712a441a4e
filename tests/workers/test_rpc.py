"""Questions, news and streams between two ends of a socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest

from ptingest.errors import ChannelClosed, ChannelRefused, DataDirLocked
from ptingest.workers.rpc import (
    NEWS_BYTES,
    NOTHING,
    STREAM_BYTES,
    STREAMS,
    Channel,
    Feed,
    News,
    Nothing,
    Question,
    open_channel,
)
from tests.support.waiting import PATIENCE_SECONDS, until


class Pair(msgspec.Struct):
    left: int
    right: int


SUM = Question("sum", Pair, int)
WORD = News("word", str)
COUNT = Feed("count", int, int)
TEXTS = Feed("texts", Nothing, str)


@contextlib.asynccontextmanager
async def ends() -> AsyncIterator[tuple[Channel, Channel]]:
    """Two ends that talk; the second is the one that answers in these tests."""
    a, b = socket.socketpair()
    here, there = await open_channel(a, name="there"), await open_channel(b, name="here")
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
        there.answers(SUM, slow_for_one)
        first = asyncio.ensure_future(here.ask(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS))
        second = await here.ask(SUM, Pair(3, 4), seconds=PATIENCE_SECONDS)
        gate.set()

        assert (await first, second) == (3, 7)


async def test_both_ends_may_ask() -> None:
    async with ends() as (here, there):
        here.answers(SUM, add)
        there.answers(SUM, add)

        assert await here.ask(SUM, Pair(1, 1), seconds=PATIENCE_SECONDS) == 2
        assert await there.ask(SUM, Pair(2, 2), seconds=PATIENCE_SECONDS) == 4


async def test_an_error_of_ours_comes_back_as_a_refusal_in_its_own_words() -> None:
    async def refuse(_: Pair) -> int:
        raise DataDirLocked(path="/d")

    async with ends() as (here, there):
        there.answers(SUM, refuse)

        with pytest.raises(ChannelRefused, match="/d is in use") as raised:
            await here.ask(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)

    assert raised.value.kind == "DataDirLocked"


async def test_a_bug_there_is_a_refusal_here_and_the_channel_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def die(_: Pair) -> int:
        raise KeyError("x")

    async with ends() as (here, there):
        there.answers(SUM, die)
        with pytest.raises(ChannelRefused, match="a bug: KeyError"):
            await here.ask(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)
        there.answers(SUM, add)

        assert await here.ask(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS) == 3

    assert "Traceback" in caplog.text


async def test_what_nobody_answers_is_refused() -> None:
    async with ends() as (here, _):
        with pytest.raises(ChannelRefused, match="nobody here answers 'sum'"):
            await here.ask(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)


async def test_a_question_without_an_answer_ends_in_time() -> None:
    async def never(_: Pair) -> int:
        await asyncio.Event().wait()
        return 0

    async with ends() as (here, there):
        there.answers(SUM, never)

        with pytest.raises(TimeoutError):
            await here.ask(SUM, Pair(1, 2), seconds=0.05)


async def test_who_waits_for_an_end_that_dies_is_told() -> None:
    async def die(_: Pair) -> int:
        there.close()
        return 0

    async with ends() as (here, there):
        there.answers(SUM, die)

        with pytest.raises(ChannelClosed, match="there is gone"):
            await here.ask(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)
        with pytest.raises(ChannelClosed):
            await here.ask(SUM, Pair(1, 2), seconds=PATIENCE_SECONDS)
        with pytest.raises(ChannelClosed):
            here.stream(COUNT, 3)
        assert here.tell(WORD, "x") is False


async def test_news_arrive_in_order() -> None:
    heard: list[str] = []
    done = asyncio.Event()

    def hear(word: str) -> None:
        heard.append(word)
        if word == "last":
            done.set()

    async with ends() as (here, there):
        there.hears(WORD, hear)
        for word in ("a", "b", "last"):
            assert here.tell(WORD, word) is True
        await done.wait()

    assert heard == ["a", "b", "last"]


async def test_news_for_one_who_does_not_read_are_not_piled_up() -> None:
    a, b = socket.socketpair()
    here = await open_channel(a, name="there")
    sent = 0
    try:
        while here.tell(WORD, "x" * (1 << 20)):
            sent += 1
    finally:
        here.close()
        b.close()

    assert NEWS_BYTES >> 20 <= sent <= (NEWS_BYTES >> 20) + 3


async def test_a_stream_gives_every_item_and_ends() -> None:
    async with ends() as (here, there):
        there.feeds(COUNT, count)

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
        there.feeds(COUNT, forever)
        stream = here.stream(COUNT, 0)
        assert await anext(stream) == 1

        stream.close()

        await ended.wait()


async def test_a_slow_reader_loses_items_and_knows_how_many() -> None:
    async with ends() as (here, there):
        there.feeds(COUNT, count)
        stream = here.stream(COUNT, 50, room=10)
        there.answers(SUM, add)
        while there._made or not stream.lost:  # until all were made and sent
            await here.ask(SUM, Pair(1, 1), seconds=PATIENCE_SECONDS)
        await here.ask(SUM, Pair(1, 1), seconds=PATIENCE_SECONDS)

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
    maker = await open_channel(a, name="reader")
    maker.feeds(TEXTS, large)
    running = asyncio.create_task(maker.run())
    reader = await open_channel(b, name="maker")
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
        there.feeds(COUNT, dies)
        stream = here.stream(COUNT, 0)

        assert await anext(stream) == 1
        with pytest.raises(ChannelRefused, match="/d is in use"):
            await anext(stream)
        with pytest.raises(ChannelRefused, match="no stream 'texts'"):
            await anext(here.stream(TEXTS, NOTHING))


async def test_there_are_only_so_many_streams() -> None:
    async def forever(_: int) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async with ends() as (here, there):
        there.feeds(COUNT, forever)
        streams = [here.stream(COUNT, 0) for _ in range(STREAMS)]
        for stream in streams:
            assert await anext(stream) == 1

        with pytest.raises(ChannelRefused, match="too many"):
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
    here = await open_channel(a, name="there")
    b.sendall(data)

    await here.run()
    b.close()

    assert here.is_closed
    assert "cannot be read or taken" in caplog.text


async def test_who_waits_for_a_channel_does_not_fall_with_what_falls_over_its_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fall(_: str) -> None:
        raise ZeroDivisionError

    async with ends() as (here, there):
        there.hears(WORD, fall)
        here.tell(WORD, "now")
        await until(lambda: there.is_closed)

    assert "ZeroDivisionError" in caplog.text
