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
from ptingest.workers.dispatcher import Doorkeeper
from tests.support.waiting import PATIENCE_SECONDS, until
from tests.support.worker_pool import Seat, crew_of, seated

REJECTED = "ptingest_beats_rejected_connections_total"


class Door:
    """A doorkeeper at work, and the seats of its workers."""

    def __init__(self, keeper: Doorkeeper, port: int, seats: list[Seat], metrics: Metrics) -> None:
        self.keeper, self.port, self.seats, self.metrics = keeper, port, seats, metrics
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
    crew = crew_of(workers)
    keeper = Doorkeeper(settings, crew=crew, metrics=metrics)
    _, port = keeper.listen(settings.listen)
    async with seated(crew) as seats:
        running = asyncio.ensure_future(keeper.run())
        opened = Door(keeper, port, seats, metrics)
        try:
            yield opened
        finally:
            keeper.stop()
            await running
            for client in opened.clients:
                client.close()


async def test_each_connection_goes_where_the_fewest_are() -> None:
    async with door() as it:
        for seat in (it.seats[0], it.seats[1], it.seats[0], it.seats[1]):
            client = it.connect()
            _, accepted = await seat.next_handed()
            with accepted:
                assert accepted.getpeername() == client.getsockname()

        assert [len(seat.slot.connections) for seat in it.seats] == [2, 2]


async def test_with_as_many_connections_the_idler_one_is_chosen() -> None:
    async with door() as it:
        it.seats[0].slot.events_lately = 1000
        it.connect()

        _, accepted = await it.seats[1].next_handed()
        accepted.close()


async def test_it_says_why_no_new_beat_comes_in() -> None:
    async with door(limits={"connections": 1}) as it:
        assert it.keeper.troubles(0.0) == []

        for seat in it.seats:
            seat.slot.is_accepting = False
        assert it.keeper.troubles(1.0) == []
        (nobody,) = it.keeper.troubles(1.0 + REFUSING_SECONDS)
        for seat in it.seats:
            seat.slot.is_accepting = True
        it.seats[0].slot.take(1, "")
        (taken,) = it.keeper.troubles(9.0)
        it.seats[0].slot.lose(1)

        assert "no worker takes connections" in nobody
        assert "beats.limits.connections" in taken
        assert it.keeper.troubles(10.0) == []


async def test_a_connection_that_is_over_makes_room() -> None:
    async with door() as it:
        it.connect()
        number, accepted = await it.seats[0].next_handed()
        accepted.close()
        it.seats[0].load(left=[number])
        await until(lambda: not it.seats[0].slot.connections)
        it.connect()

        _, accepted = await it.seats[0].next_handed()
        accepted.close()
        assert it.keeper.count == 1


async def test_limits_hold_for_all_workers_together(caplog: pytest.LogCaptureFixture) -> None:
    async with door(limits={"connections": 2}) as it:
        for seat in it.seats:
            it.connect()
            (await seat.next_handed())[1].close()

        assert await it.is_closed(it.connect())
        assert it.metrics.value(REJECTED, "connections") == 1

    assert "beats.limits.connections is 2" in caplog.text


async def test_connections_from_one_address_are_counted_over_all_workers() -> None:
    async with door(limits={"connections_per_ip": 2}) as it:
        for seat in it.seats:
            it.connect("127.0.0.1")
            (await seat.next_handed())[1].close()

        assert await it.is_closed(it.connect("127.0.0.1"))
        it.connect("127.0.0.2")
        (await it.seats[0].next_handed())[1].close()
        assert it.metrics.value(REJECTED, "connections_per_ip") == 1


async def test_a_load_balancer_is_not_one_beat() -> None:
    async with door(limits={"connections_per_ip": 1}, proxy_protocol_from=["127.0.0.1"]) as it:
        for seat in (*it.seats, *it.seats):
            it.connect()
            (await seat.next_handed())[1].close()

        assert it.keeper.count == 4


async def test_new_limits_hold_from_the_next_connection_on() -> None:
    async with door() as it:
        it.connect()
        (await it.seats[0].next_handed())[1].close()
        it.keeper.change_settings(BeatsSettings.model_validate({"limits": {"connections": 1}}))

        assert await it.is_closed(it.connect())


async def test_who_takes_nothing_now_is_passed_over() -> None:
    async with door() as it:
        it.seats[0].load(is_accepting=False)
        await until(lambda: not it.seats[0].slot.is_accepting)
        for _ in range(3):
            it.connect()
            (await it.seats[1].next_handed())[1].close()


async def test_a_worker_that_is_gone_is_passed_over() -> None:
    async with door() as it:
        it.seats[0].handed.close()
        it.connect()

        (await it.seats[1].next_handed())[1].close()
        assert it.seats[0].slot.connections == {}


async def test_while_nobody_takes_anything_connections_wait_and_are_not_refused() -> None:
    async with door(workers=1) as it:
        it.seats[0].load(is_accepting=False)
        await until(lambda: not it.seats[0].slot.is_accepting)
        client = it.connect()
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        it.seats[0].load(is_accepting=True)

        (await it.seats[0].next_handed())[1].close()


async def test_more_than_a_worker_can_hold_waits_for_it() -> None:
    async with door(workers=1, limits={"connections_per_ip": 4096}) as it:
        count = 400  # more descriptors than fit on their way at once

        async def take_all() -> None:
            for _ in range(count):
                (await it.seats[0].next_handed())[1].close()

        for _ in range(count):
            it.connect()
        await take_all()

        assert it.keeper.count == count


async def test_every_connection_that_was_handed_over_is_counted() -> None:
    async with door() as it:
        it.connect()
        (await it.seats[0].next_handed())[1].close()

        assert it.metrics.value("ptingest_supervisor_handed_connections_total", "1") == 1


async def test_one_whose_accepting_dies_says_so() -> None:
    crew = crew_of(1)
    keeper = Doorkeeper(BeatsSettings(listen="127.0.0.1:0"), crew=crew, metrics=Metrics())
    keeper.listen("127.0.0.1:0")
    crew.slots[0].state = "running"  # and nobody sits there: a bug
    with contextlib.suppress(OSError):
        running = asyncio.ensure_future(keeper.run())
        assert keeper._socket is not None
        with socket.create_connection(keeper._socket.getsockname()):
            with pytest.raises(AssertionError):
                await running
    keeper.stop()


async def test_a_stop_that_comes_before_it_began_is_a_stop() -> None:
    keeper = Doorkeeper(BeatsSettings(listen="127.0.0.1:0"), crew=crew_of(1), metrics=Metrics())
    keeper.listen("127.0.0.1:0")
    running = asyncio.ensure_future(keeper.run())

    keeper.stop()  # a signal in the same turn of the loop in which the workers came up

    await running
