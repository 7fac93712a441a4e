"""A requeue of failure stores by several workers that serve meanwhile, and that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.beat import Beat
from tests.peers.elasticsearch_peer import Node
from tests.peers.preparing import WRITER, clean, setup
from tests.peers.test_failures import STREAM, counts, failures, lines, map_host, rows
from tests.peers.test_setup import event
from tests.support.server_process import ServerProcess
from tests.support.waiting import until, until_told

pytestmark = [
    pytest.mark.peer,
    pytest.mark.needs("failure_store", "users"),
    pytest.mark.timeout(300),
]

FAILED, NEW = 300, 100


@pytest.fixture
def node(bare_elasticsearch: Node) -> Iterator[Node]:
    """Nothing prepared, before and after."""
    yield bare_elasticsearch
    clean(bare_elasticsearch)


@pytest.fixture
def server(node: Node, tmp_path: Path) -> Iterator[ServerProcess]:
    """Two workers that write in small batches, so that a requeue takes many."""
    sink = {
        "hosts": [node.url], "username": WRITER[0], "password": WRITER[1],
        "batch": {"max_documents": 5},
    }  # fmt: skip
    server = ServerProcess(tmp_path, {"workers": 2, "sinks": {"elasticsearch": sink}})
    yield server
    kill_all(server)


def kill_all(server: ServerProcess) -> None:
    """SIGKILL the supervisor and its workers."""
    pids = [*server.worker_pids(), server.pid] if server.is_running else []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.discard()


async def ship(server: ServerProcess, payloads: list[bytes]) -> None:
    """Deliver through two Beats, half of them each."""
    half = len(payloads) // 2
    beats = (Beat(server.port).deliver([part]) for part in (payloads[:half], payloads[half:]))
    await asyncio.gather(*beats)


async def test_a_requeue_that_was_killed_and_repeated_loses_and_doubles_nothing(
    node: Node, server: ServerProcess, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    map_host(node, {"properties": {"name": {"type": "keyword"}}})
    await server.start()
    await until_told(server.is_ready)
    await ship(server, lines(FAILED))
    assert counts(node) == (0, FAILED)
    map_host(node, {"type": "object", "enabled": False})
    node.must("POST", f"/{STREAM}/_rollover")

    first = asyncio.ensure_future(failures(node, tmp_path, "requeue", "--all", worker=server))
    await until(lambda: counts(node)[0] > 0)
    kill_all(server)
    await first
    # In the next backing index their keys are free again: only a search knows them.
    node.must("POST", f"/{STREAM}/_rollover")
    await server.start()
    await until_told(server.is_ready)
    again, _ = await asyncio.gather(
        failures(node, tmp_path, "requeue", "--all", "--json", worker=server),
        ship(server, [event("django", f"new {n}", log={"offset": n}) for n in range(NEW)]),
    )

    (tally,) = rows(again)
    assert (tally["chosen"], tally["left"]) == (FAILED, 0)
    assert tally["stored"] + tally["already_stored"] == FAILED
    assert tally["already_stored"] > 0
    assert counts(node) == (FAILED, FAILED)
    there = {one["_source"]["message"] for one in node.documents(STREAM)}
    assert there == {f"line {n}" for n in range(FAILED)}
    assert len(node.documents("logs-django-pt")) == NEW
    listed = await failures(node, tmp_path, "list", worker=server)
    assert listed.out == b""
