"""The Beats port as a whole: what is accepted and read, and how memory stays bounded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ptingest.sources.port import REFUSING_SECONDS
from tests.fakes.clock import AheadClock
from tests.support.raw_peer import C, J, RawPeer, W, event, peer_of
from tests.support.serving import Server, serving
from tests.support.waiting import PATIENCE_SECONDS, until

BUDGET = 40 << 10
"""Bytes received and not yet framed, in tests that fill it."""

WINDOW = W(20) + C(b"".join(J(n, event("x" * 2000, n=n)) for n in range(1, 21)))


def random_window(seed: int) -> bytes:
    """One window of about 60 KiB that does not compress."""
    dice = random.Random(seed)
    return W(1) + C(J(1, event(dice.randbytes(40_000).hex())))


def connections_of(server: Server) -> list[object]:
    status = server.worker.parts.source.status()
    listed = status["listed"]
    assert isinstance(listed, list)
    return listed


async def test_a_full_budget_stops_new_connections_and_still_completes_every_window(
    tmp_path: Path,
) -> None:
    windows = [random_window(seed) for seed in range(6)]
    async with serving(tmp_path, limits={"total_bytes": "160KiB"}) as server:
        server.sink.open.clear()
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with (
                peer_of(server, host="127.0.0.3") as a,
                peer_of(server, host="127.0.0.4") as b,
                peer_of(server, host="127.0.0.5") as c,
            ):
                for peer, window in zip((a, b, c), windows, strict=False):
                    await peer.send(window[:-1000])
                # All three are in mid-window, the budget of 80 KiB is more than full.
                await until(lambda: not server.worker.parts.source.status()["accepting"])
                for peer, window in zip((a, b, c), windows, strict=False):
                    await peer.send(window[-1000:])
                server.sink.open.set()

                for peer in (a, b, c):
                    assert await peer.acks(1) == [(2, 1)]
                await until(lambda: server.worker.parts.source.status()["accepting"])
                async with peer_of(server) as late:
                    await late.send(windows[5])
                    assert await late.acks(1) == [(2, 1)]


async def test_windows_wait_compressed_and_keep_their_beats_alive(tmp_path: Path) -> None:
    async with serving(tmp_path, keepalive_seconds=0.1, limits={"total_bytes": "1MiB"}) as server:
        server.sink.open.clear()
        async with peer_of(server) as a, peer_of(server) as b:
            for peer in (a, b):
                await peer.send(WINDOW * 40)
            for peer in (a, b):
                assert set(await peer.acks(5, keepalives=True)) == {(2, 0)}
            # 80 windows of 44 KB inflated are 3.5 MB; documents may have half a MiB of them.
            assert server.worker.parts.budget.outstanding < 800_000
            server.sink.open.set()
            for peer in (a, b):
                assert await peer.acks(40) == [(2, 20)] * 40
        assert len(server.sink.documents) == 1600


async def test_connections_beyond_the_limit_are_closed_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ptingest")
    async with serving(tmp_path, limits={"connections": 2}) as server:
        async with peer_of(server) as a, peer_of(server) as b:
            for peer in (a, b):
                await peer.send(W(1) + J(1))
                await peer.acks(1)
            async with peer_of(server) as third:
                assert await third.rest() == []

        assert server.metric("ptingest_beats_rejected_connections_total", "connections") == 1
    assert "beats.limits.connections is 2" in caplog.text


async def test_a_port_probe_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ptingest.sources")
    async with serving(tmp_path) as server:
        async with peer_of(server):
            pass
        await server.until("ptingest_beats_closed_connections_total", 1, "peer_closed")

    ours = [record.message for record in caplog.records if ".sources." in record.name]
    assert ours == []


async def test_an_idle_connection_is_closed_with_fin(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"idle_seconds": 0.3}) as server:
        async with peer_of(server) as peer:
            await peer.send(W(1) + J(1))
            await peer.acks(1)

            assert await peer.rest() == []
        await server.until("ptingest_beats_closed_connections_total", 1, "idle")


async def test_the_oldest_window_shows_its_age(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        server.sink.open.clear()
        await peer.send(W(1) + J(1))
        await server.sink.asked.wait()
        server.worker.parts.metrics.refresh()

        assert server.metric("ptingest_beats_open_windows") == 1
        assert server.metric("ptingest_beats_oldest_window_seconds") > 0
        server.sink.open.set()
        await peer.acks(1)
        server.worker.parts.metrics.refresh()
        assert server.metric("ptingest_beats_oldest_window_seconds") == 0


def bare(count: int, size: int) -> bytes:
    """A window that is as large in memory as it is."""
    return W(count) + b"".join(J(n, event("x" * size)) for n in range(1, count + 1))


async def budget_is_filled(server: Server, share: float) -> None:
    def is_so() -> bool:
        server.worker.parts.metrics.refresh()
        return server.metric("ptingest_beats_waiting_bytes") >= share * BUDGET

    await until(is_so)


BULKY = W(1) + J(1, event("x" * 20_000))
"""Half of the budget; all but its last bytes is a frame that waits for them."""


@contextlib.asynccontextmanager
async def full_budget(
    tmp_path: Path, **beats: Any
) -> AsyncIterator[tuple[Server, list[RawPeer], RawPeer]]:
    """A server, three peers that fill its budget with unfinished frames, and another peer."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving(tmp_path, limits={"total_bytes": 2 * BUDGET}, **beats)
        )
        large = [
            await stack.enter_async_context(peer_of(server, host=f"127.0.0.{n}")) for n in (3, 4, 5)
        ]
        small = await stack.enter_async_context(peer_of(server, host="127.0.0.2"))
        await server.until("ptingest_beats_accepted_connections_total", 4)
        for peer in large:
            await peer.send(BULKY[:-10])
        await budget_is_filled(server, 1.0)
        yield server, large, small


async def finish(large: list[RawPeer]) -> None:
    """Let the peers that fill the budget complete their windows."""
    for peer in large:
        await peer.send(BULKY[-10:])
    for peer in large:
        assert await peer.acks(1) == [(2, 1)]


def bytes_read_of(server: Server, ip: str) -> int:
    rows = server.worker.parts.source.status()["listed"]
    assert isinstance(rows, list)
    return sum(row["bytes"] for row in rows if row["peer"].startswith(ip))


async def test_a_peer_that_is_not_read_while_the_budget_is_full_is_kept_alive(
    tmp_path: Path,
) -> None:
    async with full_budget(tmp_path) as (server, large, small):
        await small.send(W(1) + J(1))

        assert await small.acks(2, keepalives=True) == [(2, 0), (2, 0)]
        assert bytes_read_of(server, "127.0.0.2") == 0
        await finish(large)
        assert await small.acks(1) == [(2, 1)]


async def test_readiness_says_when_no_connection_is_accepted_for_some_seconds_and_when_that_ends(
    tmp_path: Path,
) -> None:
    clock = AheadClock()
    async with full_budget(tmp_path, clock=clock) as (server, large, _):
        at_once = server.worker.view.readiness()

        clock.advance(REFUSING_SECONDS)
        later = server.worker.view.readiness()
        await finish(large)

        assert at_once == []
        assert (
            [reason for reason in later if "no new connection is accepted" in reason] == later != []
        )
        await until(lambda: server.worker.view.readiness() == [])


async def test_readiness_says_when_all_connections_are_taken(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"connections": 1}) as server:
        async with peer_of(server) as peer:
            await peer.send(W(1) + J(1))
            await peer.acks(1)

            (reason,) = server.worker.view.readiness()

            assert "beats.limits.connections" in reason
        await until(lambda: server.worker.view.readiness() == [])


@pytest.mark.parametrize("sent", [b"", b"1W\x00\x00\x00\x01"], ids=["nothing", "a v1 window"])
async def test_who_has_no_v2_window_waiting_gets_no_keepalive(sent: bytes, tmp_path: Path) -> None:
    async with full_budget(tmp_path) as (server, large, small):
        await small.send(sent)
        await server.until("ptingest_beats_keepalives_total", 3)
        await finish(large)
        small.writer.write_eof()

        assert await small.rest() == []


async def test_a_window_that_waits_unread_is_held_no_longer_than_any_other(
    tmp_path: Path,
) -> None:
    async with full_budget(tmp_path, hold_seconds=0.5) as (server, _, small):
        await small.send(W(1) + J(1))

        assert set(await small.rest()) <= {(2, 0)}
        await server.until("ptingest_beats_closed_connections_total", 1, "held_too_long")


async def test_one_peer_that_holds_most_of_the_budget_keeps_no_other_from_being_read(
    tmp_path: Path,
) -> None:
    async with (
        serving(tmp_path, limits={"total_bytes": 2 * BUDGET}) as server,
        peer_of(server) as large,
        peer_of(server, host="127.0.0.2") as small,
    ):
        await server.until("ptingest_beats_accepted_connections_total", 2)
        server.sink.open.clear()
        await large.send(bare(60, 1000))
        await server.sink.asked.wait()
        await large.send(bare(1, 10) + bare(32, 1000))
        await budget_is_filled(server, 0.75)
        await small.send(W(1) + J(1))

        assert await small.acks(1, keepalives=True) == [(2, 0)]
        assert bytes_read_of(server, "127.0.0.2") > 0
        server.sink.open.set()
        assert await small.acks(1) == [(2, 1)]
