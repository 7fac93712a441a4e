"""Who gets which connection, and who gets none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ptingest.settings.beats import BeatsSettings
from ptingest.sources.port import REFUSING_SECONDS
from ptingest.telemetry.metrics import Metrics
from ptingest.workers.dispatcher import Dispatcher
from tests.support.waiting import PATIENCE_SECONDS, until
from tests.support.worker_pool import FakeWorker, fake_workers, pool_of

REJECTED = "ptingest_beats_rejected_connections_total"


class Door:
    """A dispatcher at work, and the fakes of its workers."""

    def __init__(
        self, dispatcher: Dispatcher, port: int, fakes: list[FakeWorker], metrics: Metrics
    ) -> None:
        self.dispatcher, self.port, self.fakes, self.metrics = dispatcher, port, fakes, metrics
        self.clients: list[socket.socket] = []

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), source_address=(host, 0))
        client.settimeout(PATIENCE_SECONDS)
        self.clients.append(client)
        return client

    async def is_closed(self, client: socket.socket) -> bool:
        return await asyncio.to_thread(client.recv, 1) == b""


@contextlib.asynccontextmanager
async def door(workers: int = 2, **beats: Any) -> AsyncIterator[Door]:
    settings = BeatsSettings.model_validate({"listen": "127.0.0.1:0", **beats})
    metrics = Metrics()
    pool = pool_of(workers)
    dispatcher = Dispatcher(settings, pool=pool, metrics=metrics)
    _, port = dispatcher.listen(settings.listen)
    async with fake_workers(pool) as fakes:
        running = asyncio.ensure_future(dispatcher.run())
        opened = Door(dispatcher, port, fakes, metrics)
        try:
            yield opened
        finally:
            dispatcher.stop()
            await running
            for client in opened.clients:
                client.close()


async def test_each_connection_goes_where_the_fewest_are() -> None:
    async with door() as it:
        for fake in (it.fakes[0], it.fakes[1], it.fakes[0], it.fakes[1]):
            client = it.connect()
            _, accepted = await fake.next_handed()
            with accepted:
                assert accepted.getpeername() == client.getsockname()

        assert [len(fake.worker.connections) for fake in it.fakes] == [2, 2]


async def test_with_as_many_connections_the_idler_one_is_chosen() -> None:
    async with door() as it:
        it.fakes[0].worker.events_lately = 1000
        it.connect()

        _, accepted = await it.fakes[1].next_handed()
        accepted.close()


async def test_it_says_why_no_new_beat_comes_in() -> None:
    async with door(limits={"connections": 1}) as it:
        assert it.dispatcher.troubles(0.0) == []

        for fake in it.fakes:
            fake.worker.is_accepting = False
        assert it.dispatcher.troubles(1.0) == []
        (nobody,) = it.dispatcher.troubles(1.0 + REFUSING_SECONDS)
        for fake in it.fakes:
            fake.worker.is_accepting = True
        it.fakes[0].worker.take(1, "")
        (taken,) = it.dispatcher.troubles(9.0)
        it.fakes[0].worker.lose(1)

        assert "no worker takes connections" in nobody
        assert "beats.limits.connections" in taken
        assert it.dispatcher.troubles(10.0) == []


async def test_a_connection_that_is_over_makes_room() -> None:
    async with door() as it:
        it.connect()
        number, accepted = await it.fakes[0].next_handed()
        accepted.close()
        it.fakes[0].load(left=[number])
        await until(lambda: not it.fakes[0].worker.connections)
        it.connect()

        _, accepted = await it.fakes[0].next_handed()
        accepted.close()
        assert it.dispatcher.count == 1


async def test_limits_hold_for_all_workers_together(caplog: pytest.LogCaptureFixture) -> None:
    async with door(limits={"connections": 2}) as it:
        for fake in it.fakes:
            it.connect()
            (await fake.next_handed())[1].close()

        assert await it.is_closed(it.connect())
        assert it.metrics.value(REJECTED, "connections") == 1

    assert "beats.limits.connections is 2" in caplog.text


async def test_connections_from_one_address_are_counted_over_all_workers() -> None:
    async with door(limits={"connections_per_ip": 2}) as it:
        for fake in it.fakes:
            it.connect("127.0.0.1")
            (await fake.next_handed())[1].close()

        assert await it.is_closed(it.connect("127.0.0.1"))
        it.connect("127.0.0.2")
        (await it.fakes[0].next_handed())[1].close()
        assert it.metrics.value(REJECTED, "connections_per_ip") == 1


async def test_a_load_balancer_is_not_one_beat() -> None:
    async with door(limits={"connections_per_ip": 1}, proxy_protocol_from=["127.0.0.1"]) as it:
        for fake in (*it.fakes, *it.fakes):
            it.connect()
            (await fake.next_handed())[1].close()

        assert it.dispatcher.count == 4


async def test_new_limits_hold_from_the_next_connection_on() -> None:
    async with door() as it:
        it.connect()
        (await it.fakes[0].next_handed())[1].close()
        it.dispatcher.change_settings(BeatsSettings.model_validate({"limits": {"connections": 1}}))

        assert await it.is_closed(it.connect())


async def test_who_takes_nothing_now_is_passed_over() -> None:
    async with door() as it:
        it.fakes[0].load(is_accepting=False)
        await until(lambda: not it.fakes[0].worker.is_accepting)
        for _ in range(3):
            it.connect()
            (await it.fakes[1].next_handed())[1].close()


async def test_a_worker_that_is_gone_is_passed_over() -> None:
    async with door() as it:
        it.fakes[0].sockets.close()
        it.connect()

        (await it.fakes[1].next_handed())[1].close()
        assert it.fakes[0].worker.connections == {}


async def test_while_nobody_takes_anything_connections_wait_and_are_not_refused() -> None:
    async with door(workers=1) as it:
        it.fakes[0].load(is_accepting=False)
        await until(lambda: not it.fakes[0].worker.is_accepting)
        client = it.connect()
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        it.fakes[0].load(is_accepting=True)

        (await it.fakes[0].next_handed())[1].close()


async def test_more_than_a_worker_can_hold_waits_for_it() -> None:
    async with door(workers=1, limits={"connections_per_ip": 4096}) as it:
        count = 400  # more descriptors than fit on their way at once

        async def take_all() -> None:
            for _ in range(count):
                (await it.fakes[0].next_handed())[1].close()

        for _ in range(count):
            it.connect()
        await take_all()

        assert it.dispatcher.count == count


async def test_every_connection_that_was_handed_over_is_counted() -> None:
    async with door() as it:
        it.connect()
        (await it.fakes[0].next_handed())[1].close()

        assert it.metrics.value("ptingest_supervisor_handed_connections_total", "1") == 1


async def test_one_whose_accepting_dies_says_so() -> None:
    pool = pool_of(1)
    dispatcher = Dispatcher(BeatsSettings(listen="127.0.0.1:0"), pool=pool, metrics=Metrics())
    dispatcher.listen("127.0.0.1:0")
    pool.workers[0].state = "running"  # and nobody sits there: a bug
    with contextlib.suppress(OSError):
        running = asyncio.ensure_future(dispatcher.run())
        assert dispatcher._socket is not None
        with socket.create_connection(dispatcher._socket.getsockname()):
            with pytest.raises(AssertionError):
                await running
    dispatcher.stop()


async def test_a_stop_that_comes_before_it_began_is_a_stop() -> None:
    dispatcher = Dispatcher(BeatsSettings(listen="127.0.0.1:0"), pool=pool_of(1), metrics=Metrics())
    dispatcher.listen("127.0.0.1:0")
    running = asyncio.ensure_future(dispatcher.run())

    dispatcher.stop()  # a signal in the same turn of the loop in which the workers came up

    await running
