"""One connection: its acks, its order, its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from ptingest.lumberjack.window import Window
from ptingest.model.document import Document
from ptingest.model.outcome import WriteResult
from ptingest.sources.beats.connection import BeatsConnection
from tests.fakes.beat import Beat
from tests.support.raw_peer import C, D, J, W, event, peer_of
from tests.support.serving import MemorySink, serving
from tests.support.waiting import until


async def test_one_final_ack_a_window_and_never_a_partial_one(tmp_path: Path) -> None:
    async with serving(tmp_path, keepalive_seconds=60) as server, peer_of(server) as peer:
        await peer.send(W(600) + C(b"".join(map(J, range(1, 601)))))
        assert await peer.acks(1, keepalives=True) == [(2, 600)]
        peer.writer.write_eof()

        assert await peer.rest() == []


async def test_v1_gets_no_keepalives(tmp_path: Path) -> None:
    async with serving(tmp_path, keepalive_seconds=0.05) as server, peer_of(server) as peer:
        server.sink.open.clear()
        await peer.send(W(1, b"1") + D(1, line="x"))
        await server.sink.asked.wait()
        await asyncio.sleep(0.2)  # no race: four keepalives would be due, or more
        server.sink.open.set()

        assert await peer.acks(1, keepalives=True) == [(1, 1)]


@pytest.mark.timeout(30)  # inflates 20 MB twice, beside whatever else the machine does
async def test_a_large_window_comes_in_parts_under_one_ack(tmp_path: Path) -> None:
    dice = random.Random(5)
    large = [event(dice.randbytes(500_000).hex(), n=n) for n in range(20)]
    frames = b"".join(J(n, payload) for n, payload in enumerate(large, 1))
    async with serving(tmp_path, keepalive_seconds=60) as server, peer_of(server) as peer:
        await peer.send(W(20) + C(frames) + W(1) + J(1))

        assert await peer.acks(2) == [(2, 20), (2, 1)]
        assert len(server.sink.documents) == 21
        assert server.metric("ptingest_beats_windows_total") == 2


async def test_what_was_complete_before_a_broken_frame_keeps_its_ack(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        server.sink.open.clear()
        await peer.send(W(1) + J(1) + W(1) + J(2) + b"XX")
        await server.sink.asked.wait()
        server.sink.open.set()

        assert [ack for ack in await peer.rest() if ack[1]] == [(2, 1), (2, 2)]


async def test_what_was_complete_before_a_broken_frame_keeps_its_ack_though_the_peer_half_closes(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        server.sink.open.clear()
        await peer.send(W(1) + J(1) + b"XX")
        await server.until("ptingest_beats_protocol_errors_total", 1, "bad_version")
        (connection,) = server.worker.parts.source._connections
        peer.writer.write_eof()
        await until(lambda: connection.reader.is_eof)
        server.sink.open.set()

        assert [ack for ack in await peer.rest() if ack[1]] == [(2, 1)]


async def test_windows_behind_one_that_failed_in_its_admission_go_unacked(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, dead_letters={"max_bytes": 1}) as server:
        async with peer_of(server) as peer:
            await peer.send(W(1) + J(1, b"no json") + W(1) + J(2) + W(1) + J(3))

            assert {seq for _, seq in await peer.rest()} <= {0}
        async with peer_of(server) as another:
            await another.send(W(1) + J(1))

            assert await another.acks(1) == [(2, 1)]


async def test_repeats_of_one_broken_rule_do_not_hide_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as server:
        for data in (b"GET / HTTP/1.1", W(1) + b"XX", W(1 << 31)):
            async with peer_of(server) as peer:
                await peer.send(data)
                await peer.rest()

    said = [one.msg for one in caplog.records if one.levelno == logging.WARNING]
    assert len(set(said)) == len(said) == 3, "repeats are held back by template"


async def test_a_bug_behind_the_port_is_logged_and_closes_only_its_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as server, peer_of(server) as good:
        admit = server.worker.parts.source.admit

        async def fail(*_: object) -> None:
            raise RuntimeError("a bug")

        server.worker.parts.source.admit = fail  # type: ignore[assignment]
        async with peer_of(server) as bad:
            await bad.send(W(1) + J(1))
            assert {seq for _, seq in await bad.rest()} <= {0}
        server.worker.parts.source.admit = admit
        await good.send(W(1) + J(1))

        assert await good.acks(1) == [(2, 1)]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].exc_info is not None


class DeadTransport:
    """uvloop's, closed behind everybody's back: says it is open, refuses, tells nobody."""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        """Does nothing to a closed handle."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"unable to perform operation {name}; the handler is closed")


async def test_a_transport_that_is_dead_unsaid_ends_its_connection_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, keepalive_seconds=0.1) as server, peer_of(server) as good:
        source = server.worker.parts.source
        server.sink.open.clear()
        async with peer_of(server) as bad:
            await bad.send(W(1) + J(1))
            await server.sink.asked.wait()
            (connection,) = [one for one in source._connections if one.open_windows]
            alive, connection.transport = connection.transport, DeadTransport()  # type: ignore[assignment]
            await until(lambda: connection not in source._connections)
            alive.abort()
        server.sink.open.set()
        await good.send(W(1) + J(2))

        assert await good.acks(1) == [(2, 2)]
        assert source.acceptor.load == 1
    assert [one.levelname for one in caplog.records].count("ERROR") == 1


async def test_a_drain_is_not_ended_by_a_transport_that_is_dead_unsaid(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, keepalive_seconds=60) as server, peer_of(server) as bad:
        await bad.send(W(1) + J(1))
        await bad.acks(1)
        (connection,) = server.worker.parts.source._connections
        alive, connection.transport = connection.transport, DeadTransport()  # type: ignore[assignment]
        connection.gate.close()
        server.worker.stop()
        await until(lambda: not server.worker.parts.source._connections)
        alive.abort()

    assert [one.levelname for one in caplog.records].count("ERROR") == 1


class CuttingSink(MemorySink):
    """Cuts every connection before its first write is done, until five were cut."""

    def __init__(self) -> None:
        super().__init__()
        self.open_connections: Collection[BeatsConnection] = ()
        self.cut: set[BeatsConnection] = set()

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        for connection in set(self.open_connections) - self.cut:
            if len(self.cut) < 5:
                self.cut.add(connection)
                connection.transport.abort()
        return await super().write(documents, doubtful)


async def test_a_beat_that_is_cut_off_delivers_everything_in_the_end(tmp_path: Path) -> None:
    sink = CuttingSink()
    async with serving(tmp_path, sink=sink) as server:
        sink.open_connections = server.worker.parts.source._connections
        beat = Beat(server.port, pipelining=3)
        windows = [
            [
                event(
                    f"INFO|root|2025-01-02T03:04:05Z|{w} {n}",
                    agent={"id": "a"},
                    host={"name": "web"},
                    log={"offset": w * 100 + n, "file": {"path": "/var/log/x.log"}},
                )
                for n in range(50)
            ]
            for w in range(20)
        ]
        await beat.deliver(windows)

        assert len(server.sink.documents) == 1000
        assert beat.connections == 6


async def test_a_connection_that_waits_for_its_peer_holds_no_payloads(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(600) + C(b"".join(map(J, range(1, 601)))))
        assert await peer.acks(1) == [(2, 600)]
        last = event("INFO|root|2025-01-02T03:04:05Z|n600")
        gc.collect()

        windows = [one for one in gc.get_objects() if isinstance(one, Window)]
        held = [one for one in windows if one.payloads[-1:] == [last]]

        assert held == [], "two hundred Beats would hold two hundred windows inflated"


async def test_a_connection_that_is_over_holds_none_of_the_bytes_that_waited(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server:
        server.sink.open.clear()
        async with peer_of(server) as peer:
            await peer.send((W(1) + J(1)) * 20 + W(2) + J(1))
            await server.sink.asked.wait()
            source = server.worker.parts.source
            (connection,) = source._connections
            await until(lambda: connection.reader.wire.is_window_open)
            held = connection.reader.wire.received_bytes

            connection.close_now("held_too_long")

        assert held > 0
        assert connection.reader.wire.received_bytes == connection.waiting_bytes == 0
        server.sink.open.set()
