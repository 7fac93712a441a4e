"""Sockets on their way to a connection: listening, pausing, and those handed in."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path

import pytest

from ptingest.delivery.budget import Budget
from ptingest.model.origin import Sender
from ptingest.server.event_loop.fair_share import FairShare
from ptingest.server.process.clock import SystemClock
from ptingest.settings.beats import BeatsSettings
from ptingest.sources.beats.inflate_permits import INFLATE_PERMITS
from ptingest.sources.beats.server import BeatsSource
from ptingest.telemetry.metrics import Metrics
from tests.support.raw_peer import J, RawPeer, W
from tests.support.serving import serving
from tests.support.waiting import PATIENCE_SECONDS


def source_of(listen: str) -> BeatsSource:
    async def admit(*_: object) -> None:
        """Nothing comes in here."""

    return BeatsSource(
        BeatsSettings(listen=listen),
        admit=admit,
        sender_of=lambda _: Sender(),
        permits=Budget(INFLATE_PERMITS),
        checkpoint=FairShare(),
        give_back=lambda: None,
        metrics=Metrics(),
        clock=SystemClock(),
        chance=random.Random(1),
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_it_listens_where_the_setting_says(host: str) -> None:
    source = source_of(f"{host}:0")

    address, port = source.listen()

    with socket.create_connection((address, port), timeout=PATIENCE_SECONDS):
        source.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port), timeout=PATIENCE_SECONDS)


async def test_without_listening_it_serves_what_is_handed_in_and_tells_the_end(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server:
        source = server.worker.parts.source
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
        accepted.setblocking(False)
        left = asyncio.Event()

        await source.acceptor.adopt(accepted, left.set)

        peer = RawPeer(*await asyncio.open_connection(sock=client))
        assert source.acceptor.load == 1
        await peer.send(W(1) + J(1))
        assert await peer.acks(1) == [(2, 1)]
        assert not left.is_set()
        await peer.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await left.wait()
        assert source.acceptor.load == 0


async def test_what_is_handed_in_after_the_stop_is_closed_and_over(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        source = server.worker.parts.source
        source.stop_accepting()
        ours, theirs = socket.socketpair()
        left = asyncio.Event()

        await source.acceptor.adopt(ours, left.set)

        with theirs:
            assert theirs.recv(1) == b""
        assert left.is_set()


def test_it_tells_when_it_pauses_and_goes_on_and_stays_closed_after_a_stop() -> None:
    acceptor = source_of("127.0.0.1:0").acceptor
    told: list[bool] = []
    acceptor.on_change = lambda: told.append(acceptor.is_open)

    for is_open in (False, False, True, False):
        acceptor.set_open(is_open, now=1.0)
    acceptor.stop()
    acceptor.set_open(True, now=2.0)

    assert told == [False, True, False]
    assert not acceptor.is_open
