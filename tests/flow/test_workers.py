"""Whole paths through two worker processes: what is there once stays right with two at it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from ptingest.dead_letters.queue import read_letters
from ptingest.dead_letters.segments import segments
from ptingest.errors import ReloadRefused
from ptingest.pipeline.compile import compile_profile
from ptingest.server.assembly import read_profile
from ptingest.server.process.clock import SystemClock
from ptingest.server.reload import PreparedConfig, Reloader, compile_config
from ptingest.sinks.store.schema import index_end, open_reader
from tests.fakes.authority import Authority, tls_settings
from tests.support.api import fetch
from tests.support.modules import ROOT
from tests.support.raw_peer import J, RawPeer, W, event
from tests.support.waiting import until_told
from tests.support.worker_pool import PooledServer, peer_at, pooled, settings_for

pytestmark = pytest.mark.timeout(60)  # processes start and stop

NO_OBJECT = b"[1]"
"""An event that becomes a dead letter."""


@contextlib.asynccontextmanager
async def one_peer_each(server: PooledServer) -> AsyncIterator[list[RawPeer]]:
    """A connection to each worker, the first one's first."""
    async with contextlib.AsyncExitStack() as stack:
        peers = []
        for worker in server.workers:
            peers.append(await stack.enter_async_context(peer_at(server.port)))
            await server.until(lambda worker=worker: len(worker.connections) == 1)
        yield peers


async def order(server: PooledServer, what: str, body: dict[str, Any]) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{server.supervisor.api_port}/dead-letters/{what}"
    return await fetch("POST", url, json=body)


async def carried_out(server: PooledServer, what: str) -> dict[str, Any]:
    status, progress = await order(server, what, {"choice": {"everything": True}})
    assert status == 202, progress

    async def finished() -> dict[str, Any] | None:
        _, progress = await server.get("/dead-letters")
        return progress if progress["finished"] else None

    found = await until_told(finished)
    assert found is not None
    return found


def letters_in(server: PooledServer) -> list[bytes]:
    return [one.letter.payload for one in read_letters(server.data_dir / "dead_letters")]


# -- dead letters ---------------------------------------------------------------------------


async def test_each_worker_has_its_own_segment_and_all_are_listed(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server, one_peer_each(server) as peers:
        for number, peer in enumerate(peers, 1):
            await peer.send(W(2) + J(1, b"[%d]" % number) + J(2, b"[%d]" % (number + 10)))
            assert await peer.acks(1) == [(2, 2)]

        assert sorted(letters_in(server)) == [b"[11]", b"[12]", b"[1]", b"[2]"]
        assert len(segments(server.data_dir / "dead_letters")) == 2
        status = await server.status()

    assert status["dead_letters"]["waiting"] == 4


async def test_their_size_is_limited_for_all_together(tmp_path: Path) -> None:
    limit = 4000
    async with pooled(tmp_path, dead_letters={"max_bytes": limit}) as server:
        async with one_peer_each(server) as peers:
            is_refused = False
            for number in range(100):
                peer = peers[number % 2]
                await peer.send(W(1) + J(number + 1, NO_OBJECT))
                if is_refused := not await peer.reader.read(6):
                    break
        sizes = [path.stat().st_size for path in segments(server.data_dir / "dead_letters")]
        status = await server.status()

    # Both are one address, which may take half; that is no trouble for anybody else.
    assert is_refused
    assert limit / 4 < sum(sizes) <= limit / 2
    assert status["not_ready_because"] == []
    assert status["dead_letters"]["bytes_by_peer"] == {"127.0.0.1": sum(sizes)}


async def test_a_start_of_one_leaves_the_others_live_segments_alone(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server, one_peer_each(server) as peers:
        for peer in peers:
            await peer.send(W(1) + J(1, NO_OBJECT))
            await peer.acks(1)
        server.signal(1, signal.SIGKILL)
        await server.until(lambda: server.workers[0].restarts == 1)
        await server.all_running()
        await peers[1].send(W(1) + J(2, NO_OBJECT))
        assert await peers[1].acks(1) == [(2, 2)]

        assert letters_in(server) == [NO_OBJECT] * 3


async def test_a_requeue_handles_each_letter_once_and_all_segments_are_swept(
    tmp_path: Path,
) -> None:
    async with pooled(tmp_path) as server, one_peer_each(server) as peers:
        for number, peer in enumerate(peers, 1):
            await peer.send(W(1) + J(1, event("x", service=f"No/{number}")))
            await peer.acks(1)
        assert len(letters_in(server)) == 2

        progress = await carried_out(server, "requeue")

        # They are refused again: each old letter is done, a new one is there.
        assert progress["tally"]["chosen"] == 2
        assert progress["tally"]["dead_lettered"] == 2
        assert len(letters_in(server)) == 2
        assert (await server.status())["dead_letters"]["waiting"] == 2
        purged = await carried_out(server, "purge")
        assert purged["tally"]["purged"] == 2
        assert letters_in(server) == []
        assert (await server.status())["dead_letters"]["bytes"] == 0


async def test_an_order_for_another_server_is_refused(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server:
        status, said = await order(server, "purge", {"choice": {"everything": True}, "pid": 1})

    assert status == 409
    assert "not 1" in said["error"]


# -- the store ------------------------------------------------------------------------------


async def test_both_write_to_the_store_and_resent_events_are_recognised(tmp_path: Path) -> None:
    def keyed(number: int) -> bytes:
        where = {"offset": number, "file": {"path": "/x"}}
        more = {"agent": {"id": "a"}, "host": {"name": "h"}, "log": where}
        return event(f"INFO|root|2025-01-02T03:04:05Z|n{number}", **more)

    async with pooled(tmp_path) as server, one_peer_each(server) as peers:
        for peer in peers:  # the second says what the first has said, as after a lost ack
            await peer.send(W(50) + b"".join(J(n, keyed(n)) for n in range(1, 51)))
        for peer in peers:
            assert await peer.acks(1) == [(2, 50)]
        row = (await server.status())["books"]["store"]["django"]

    assert (row["stored"], row["already_stored"], row["residue"]) == (50, 50, 0)
    with contextlib.closing(open_reader(server.data_dir / "store.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (50,)


async def test_one_keeps_the_index_of_what_the_other_wrote(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server, one_peer_each(server) as peers:
        await peers[1].send(W(3000) + b"".join(J(n) for n in range(1, 3001)))
        await peers[1].acks(1)
        path = server.data_dir / "store.sqlite"

        def end() -> int:
            with contextlib.closing(open_reader(path)) as connection:
                return index_end(connection)

        await server.until(lambda: end() >= 2048)


# -- limits, TLS, addresses -----------------------------------------------------------------


async def test_connections_are_limited_for_all_together(tmp_path: Path) -> None:
    async with pooled(tmp_path, beats={"limits": {"connections": 2}}) as server:
        async with one_peer_each(server) as peers:
            async with peer_at(server.port) as third:
                assert await third.rest() == []
            await peers[0].close()
            await server.until(lambda: server.supervisor.dispatcher.count == 1)
            async with peer_at(server.port) as fourth:
                await fourth.send(W(1) + J(1))
                assert await fourth.acks(1) == [(2, 1)]

        rejected = "ptingest_beats_rejected_connections_total"
        assert await server.metric(rejected, "connections") == 1


async def test_behind_a_load_balancer_each_worker_has_its_share(tmp_path: Path) -> None:
    beats = {"proxy_protocol_from": ["127.0.0.1"], "limits": {"connections_per_ip": 2}}
    header = b"PROXY TCP4 192.0.2.7 127.0.0.1 1000 5044\r\n"
    async with pooled(tmp_path, beats=beats) as server, contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(peer_at(server.port)) for _ in range(3)]
        for peer in peers:
            await peer.send(header + W(1) + J(1))
        answered = []
        for peer in peers:
            try:
                answered.append(len(await peer.reader.read(6)))
            except ConnectionResetError:  # closed with bytes unread
                answered.append(0)

    assert sorted(answered) == [0, 6, 6]


async def test_both_shake_hands_and_a_replaced_certificate_reaches_both(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = tls_settings(authority.server())
    async with pooled(tmp_path, beats={"tls": tls}) as server, contextlib.AsyncExitStack() as stack:

        async def connect(context: ssl.SSLContext) -> RawPeer:
            streams = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
            peer = RawPeer(*streams)
            stack.push_async_callback(peer.close)
            return peer

        for number in (1, 2):
            peer = await connect(authority.client_context())
            await peer.send(W(1) + J(number))
            assert await peer.acks(1) == [(2, number)]
        assert [len(worker.connections) for worker in server.workers] == [1, 1]

        other = Authority(tmp_path, "other")
        other.server()
        await server.until_metric("ptingest_worker_certificate_reloads_total", 2, "done")
        for number in (3, 4):
            peer = await connect(other.client_context())
            await peer.send(W(1) + J(number))
            assert await peer.acks(1) == [(2, number)]

        status = await server.status()
    assert [file["setting"] for file in status["certificates"]["files"]] == [
        "beats.tls.certificate"
    ]


# -- reload ---------------------------------------------------------------------------------


def config_for(tmp_path: Path, server: PooledServer) -> tuple[Path, Path]:
    """A config and its profile that say what the running server has."""
    profile = tmp_path / "pt.yaml"
    shutil.copy(ROOT / "config" / "pt.yaml", profile)
    config = tmp_path / "c.yaml"
    config.write_text(
        f"workers: 2\ndata_dir: {server.data_dir}\nprofile: pt.yaml\ndrain_seconds: 5\n"
        "api: {listen: '127.0.0.1:0'}\nbeats: {listen: '127.0.0.1:0', keepalive_seconds: 0.2}\n"
    )
    return config, profile


async def labels_of(server: PooledServer, peers: list[RawPeer], number: int) -> list[str | None]:
    """Send a line of flower through each worker; return the categories it got."""
    for peer in peers:
        await peer.send(W(1) + J(number, event("INFO|flower.command|2025-01-02T03:04:05Z|x")))
        await peer.acks(1)
    path = server.data_dir / "store.sqlite"
    with contextlib.closing(open_reader(path)) as connection:
        rows = connection.execute("SELECT body FROM documents ORDER BY id DESC LIMIT 2").fetchall()
    return [orjson.loads(body).get("stream") for (body,) in rows]


async def test_a_reload_is_in_force_in_every_worker_and_in_those_started_later(
    tmp_path: Path,
) -> None:
    async with pooled(tmp_path) as server, one_peer_each(server) as peers:
        config, profile = config_for(tmp_path, server)
        supervisor = server.supervisor
        reloader = Reloader(
            supervisor.own, config=config, environ={}, clock=SystemClock(), swap=supervisor.swap
        )
        supervisor.reloads = reloader.status
        before = await labels_of(server, peers, 1)
        text = profile.read_text()
        rule = "        - {match: [flower.*], set: {stream: flower}}\n"
        profile.write_text(text.replace("      rules:\n", f"      rules:\n{rule}", 1))

        assert await reloader.reload() is True
        assert await labels_of(server, peers, 2) == ["flower", "flower"] != before

        profile.write_text(text.replace("samples:", "sample:", 1))
        assert await reloader.reload() is False
        assert await labels_of(server, peers, 3) == ["flower", "flower"]
        server.signal(1, signal.SIGKILL)
        await server.until(lambda: server.workers[0].restarts == 1)
        await server.all_running()
        async with peer_at(server.port) as fresh:
            assert await labels_of(server, [fresh, peers[1]], 4) == ["flower", "flower"]
        status = await server.status()

        assert status["config"]["reloads"] == 1
        assert await server.metric("ptingest_worker_config_is_current") == 0


async def test_a_worker_that_refuses_leaves_all_as_they_were(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server, one_peer_each(server) as peers:
        settings = settings_for(tmp_path, drain_seconds=9.0)
        profile = read_profile(settings, {})
        broken = settings.model_copy(
            update={"beats": settings_for(
                tmp_path, beats={"tls": {"certificate": "/nowhere.pem"}}).beats}
        )  # fmt: skip
        good = compile_config(settings, profile)
        # What only a worker can find out: the file is gone when it reads it.
        fresh = PreparedConfig(broken, profile, compile_profile(profile), good.tls)

        with pytest.raises(ReloadRefused, match=r"worker 1 does not take it: .*/nowhere\.pem"):
            await server.supervisor.swap(fresh)

        assert server.supervisor.settings.drain_seconds == 5.0
        for peer in peers:
            await peer.send(W(1) + J(1))
            assert await peer.acks(1) == [(2, 1)]
        await server.supervisor.swap(good)
        assert server.supervisor.settings.drain_seconds == 9.0
