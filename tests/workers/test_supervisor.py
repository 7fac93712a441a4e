"""Several workers behind one port, as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path

import pytest

from ptingest.errors import WorkersDidNotStart
from ptingest.server.assembly import read_profile
from ptingest.server.process.clock import SystemClock
from ptingest.sinks.store.schema import open_reader
from ptingest.workers.pool import WorkerTimeouts
from ptingest.workers.supervisor import Supervisor
from tests.support.raw_peer import J, W
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.worker_pool import QUICK, lives, peer_at, pooled, settings_for

pytestmark = pytest.mark.timeout(60)  # processes start, die and are started again

RECEIVED = "ptingest_flow_received_events_total"


def stored(data_dir: Path) -> int:
    with contextlib.closing(open_reader(data_dir / "store.sqlite")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM documents").fetchone()
    return int(count)


async def test_connections_are_spread_evenly_and_every_window_is_acked(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server, contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(peer_at(server.port)) for _ in range(6)]
        for number, peer in enumerate(peers):
            await peer.send(W(2) + J(2 * number + 1) + J(2 * number + 2))
        for number, peer in enumerate(peers):
            assert await peer.acks(1) == [(2, 2 * number + 2)]

        assert [len(worker.connections) for worker in server.workers] == [3, 3]
        status = await server.status()
        _, text = await server.get("/metrics")

    assert status["books"]["store"]["django"] == {
        "received": 12, "in_flight": 0, "stored": 12, "residue": 0,
    }  # fmt: skip
    assert status["beats"]["connections"] == 6
    assert sorted(row["worker"] for row in status["beats"]["listed"]) == [1, 1, 1, 2, 2, 2]
    assert [row["connections"] for row in status["workers"]] == [3, 3]
    assert f'{RECEIVED}{{service="django"}} 12.0' in text
    assert stored(server.data_dir) == 12


async def test_a_connection_that_ends_makes_room_for_the_next(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server:
        async with peer_at(server.port) as first, peer_at(server.port) as second:
            for number, peer in enumerate((first, second), 1):
                await peer.send(W(1) + J(number))
                await peer.acks(1)
            await first.close()
            await server.until(lambda: len(server.workers[0].connections) == 0)

            async with peer_at(server.port) as third:
                await third.send(W(1) + J(3))
                await third.acks(1)

                assert [len(worker.connections) for worker in server.workers] == [1, 1]


async def test_a_worker_that_dies_is_replaced_and_what_it_counted_stays(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server:
        async with peer_at(server.port) as peer:
            await peer.send(W(3) + J(1) + J(2) + J(3))
            await peer.acks(1)
            await server.until_metric(RECEIVED, 3, "django")
            pid = server.signal(1, signal.SIGKILL)
            assert await peer.rest() == []
        await server.until(lambda: server.workers[0].restarts == 1)
        assert await server.metric(RECEIVED, "django") == 3
        await server.all_running()
        async with peer_at(server.port) as peer:
            await peer.send(W(1) + J(4))
            assert await peer.acks(1) == [(2, 4)]

        assert await server.metric(RECEIVED, "django") == 4
        assert await server.metric("ptingest_supervisor_restarts_total", "died") == 1
        row = (await server.status())["workers"][0]

    assert row["pid"] != pid
    assert (row["restarts"], row["last_end"]) == (1, "was killed by SIGKILL")


async def test_events_in_flight_when_a_worker_dies_are_given_back(tmp_path: Path) -> None:
    nobody = {"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}}
    async with pooled(tmp_path, sinks=nobody, drain_seconds=0.5) as server:
        async with peer_at(server.port) as peer:
            await peer.send(W(2) + J(1) + J(2))
            await server.until_metric(
                "ptingest_lane_outstanding_events", 2, "elasticsearch", "django"
            )
            server.signal(1, signal.SIGKILL)
            await peer.rest()
        await server.until(lambda: server.workers[0].restarts == 1)
        row = (await server.status())["books"]["elasticsearch"]["django"]

    assert row == {"received": 2, "in_flight": 0, "given_back": 2, "residue": 0}


async def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    timeouts = WorkerTimeouts(silence=2.5, backoff_first=0.05, leave=2.0)
    async with pooled(tmp_path, timeouts=timeouts) as server:
        server.signal(2, signal.SIGSTOP)
        await server.until(lambda: server.workers[1].restarts)
        await server.all_running()

        assert await server.metric("ptingest_supervisor_restarts_total", "silent") >= 1
        row = (await server.status())["workers"][1]

    assert "said nothing for 2.5 s" in row["last_end"]


async def test_a_drain_finishes_what_every_worker_took(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server:
        async with peer_at(server.port) as first, peer_at(server.port) as second:
            for number, peer in enumerate((first, second), 1):
                await peer.send(W(2) + J(number))  # a window begun, and not complete
            await server.until(lambda: [len(s.connections) for s in server.workers] == [1, 1])
            for number, peer in enumerate((first, second), 1):
                await peer.send(J(number) + W(1) + J(9))
                await peer.acks(1)
            server.supervisor.stop()
            for peer in (first, second):
                await peer.rest()
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", server.port)

    assert server.supervisor.pool.running == []


async def test_who_is_being_started_when_the_server_is_told_to_stop_is_not_waited_for(
    tmp_path: Path,
) -> None:
    timeouts = WorkerTimeouts(start=10 * PATIENCE_SECONDS, leave=10 * PATIENCE_SECONDS)
    settings = settings_for(tmp_path)
    supervisor = Supervisor(
        settings, read_profile(settings, {}), workers=2, clock=SystemClock(), timeouts=timeouts
    )
    supervisor.stop()

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await supervisor.run() == 0

    assert [worker.process for worker in supervisor.pool.workers] == [None, None]
    assert not supervisor.started.is_set()


async def test_one_worker_told_to_leave_drains_and_is_replaced(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server:
        async with peer_at(server.port) as peer:
            await peer.send(W(1) + J(1))
            await peer.acks(1)
            server.signal(1, signal.SIGTERM)
            await peer.rest()
        await server.until(lambda: server.workers[0].restarts == 1)
        await server.all_running()
        row = (await server.status())["workers"][0]

    assert row["last_end"] == "ended with exit code 0"


async def test_a_taken_port_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"beats.listen {listen}: .* in use"):
            async with pooled(tmp_path, beats={"listen": listen}):
                pass


async def test_when_no_worker_can_start_the_first_one_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dead_letters").write_text("a file where a folder must be")

    with pytest.raises(BaseExceptionGroup) as raised:
        async with pooled(tmp_path, timeouts=QUICK):
            pass

    assert raised.group_contains(WorkersDidNotStart, match="cannot write dead letters")


async def test_workers_leave_when_their_supervisor_is_gone(tmp_path: Path) -> None:
    async with pooled(tmp_path) as server:
        pids = [worker.pid for worker in server.workers]
        for worker in server.workers:
            assert worker.rpc is not None
            worker.rpc.close()  # what its death looks like from there

        await server.until(lambda: all(worker.restarts for worker in server.workers))
        assert not any(map(lives, pids))
        await server.all_running()
