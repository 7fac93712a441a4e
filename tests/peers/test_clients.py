"""Clients that others wrote, against a running server with the embedded store.

Each test sends events under an agent id of its own and reads back what was stored under it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pylogbeat import PyLogBeatClient
from timbersnake.client import Client as TimbersnakeClient

from benchmarks import corpus, processes
from tests.peers import golumber_peer, npm_peer
from tests.peers.tools import require_tool
from tests.support.waiting import wait_until

pytestmark = pytest.mark.peer

AGENT_ID = b"5f0f3a55-2c0e-4a51-9d0e-6a2b8f4f7c11"
"""The corpus's only agent."""
CHANGED = ("@timestamp", "@metadata")
"""What a document does not carry as it was sent."""


class Events:
    """Events under an agent id that no other test uses."""

    def __init__(self, count: int, *, seed: int = 1) -> None:
        self.agent = str(uuid.uuid4())
        made = corpus.events(count, seed)
        self.payloads = [event.replace(AGENT_ID, self.agent.encode()) for event in made]

    def write(self, folder: Path) -> Path:
        path = folder / "events.ndjson"
        path.write_bytes(b"\n".join(self.payloads) + b"\n")
        return path

    def as_sent(self) -> list[dict[str, Any]]:
        return in_order(json.loads(payload) for payload in self.payloads)


class Server(NamedTuple):
    """A running server: its port and its store."""

    port: int
    store: Path

    def documents(self, agent: str) -> list[dict[str, Any]]:
        """Every document stored under an agent id; none before the store is made."""
        if not self.store.exists():
            return []
        reader = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
        try:
            if not reader.execute("SELECT 1 FROM sqlite_master").fetchall():
                return []
            rows = reader.execute(
                "SELECT body FROM documents WHERE json_extract(body, '$.agent.id') = ?", (agent,)
            ).fetchall()
        finally:
            reader.close()
        return in_order(json.loads(body) for (body,) in rows)

    def wait_for(self, agent: str, count: int) -> list[dict[str, Any]]:
        """The documents, once there are at least so many."""
        wait_until(lambda: len(self.documents(agent)) >= count)
        return self.documents(agent)


def in_order(events: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events by file and offset, without what a document changes."""
    kept = [{k: v for k, v in event.items() if k not in CHANGED} for event in events]
    return sorted(kept, key=lambda event: (event["service"], event["log"]["offset"]))


def as_sent(documents: list[dict[str, Any]], sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents, each cut down to the fields that its event had."""
    pairs = zip(documents, sent, strict=True)
    return [{k: v for k, v in document.items() if k in event} for document, event in pairs]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("server"), processes.free_port()
    config = processes.write_config(folder, port=port, sinks={"store": {}})
    with processes.server(port=port, config=config):
        yield Server(port, folder / "data" / "store.sqlite")


@pytest.fixture(scope="module")
def golumber() -> None:
    require_tool("go")
    golumber_peer.build()


@pytest.fixture(scope="module")
def npm() -> None:
    require_tool("node")
    require_tool("npm")
    npm_peer.install()


def run_golumber(server: Server, file: Path, **flags: object) -> golumber_peer.Sent:
    command = golumber_peer.command(server.port, file, timeout="5s", retries=0, **flags)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=30)
    return golumber_peer.read_report(done.stdout.decode())


# Building the peer and starting the server count for the first test that wants them.
@pytest.mark.timeout(120)
@pytest.mark.parametrize("pipeline", [0, 2], ids=["one window at a time", "three on the wire"])
@pytest.mark.parametrize("compress", [0, 3, 9], ids="compression {}".format)
def test_what_go_lumber_sends_is_acked_and_stored_as_sent(
    golumber: None, server: Server, tmp_path: Path, pipeline: int, compress: int
) -> None:
    events = Events(1_000)

    sent = run_golumber(
        server, events.write(tmp_path), pipeline=pipeline, compress=compress, batch=150
    )

    assert (sent.events_acked, sent.windows_acked, sent.errors) == (1_000, 7, 0), sent.last_error
    stored = server.documents(events.agent)
    assert as_sent(stored, events.as_sent()) == events.as_sent()


@pytest.mark.timeout(120)
def test_events_that_go_lumber_sends_twice_are_acked_twice_and_stored_once(
    golumber: None, server: Server, tmp_path: Path
) -> None:
    events = Events(500)

    sent = run_golumber(
        server, events.write(tmp_path), pipeline=2, batch=50, repeat=2, connections=3
    )

    assert (sent.events_acked, sent.errors) == (500 * 2 * 3, 0), sent.last_error
    assert len(server.documents(events.agent)) == 500


@pytest.mark.timeout(120)
def test_after_kill_nine_go_lumber_delivers_the_rest_and_nothing_is_stored_twice(
    golumber: None, tmp_path: Path
) -> None:
    events, port = Events(20_000), processes.free_port()
    config = processes.write_config(tmp_path, port=port, sinks={"store": {}})
    server = Server(port, tmp_path / "data" / "store.sqlite")
    command = golumber_peer.command(
        port, events.write(tmp_path), pipeline=2, batch=500, timeout="5s"
    )

    with processes.server(port=port, config=config) as first:
        client = subprocess.Popen(command, stdout=subprocess.PIPE)
        server.wait_for(events.agent, 1)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with processes.server(port=port, config=config):
        told, _ = client.communicate(timeout=60)
        stored = server.documents(events.agent)

    sent = golumber_peer.read_report(told.decode())
    assert sent.events_acked == 20_000
    assert sent.connections > 1, "the server was killed too late to be missed"
    assert len(stored) == 20_000


def test_pylogbeat_gets_the_ack_of_each_of_its_running_seqs(server: Server) -> None:
    events = Events(60)

    with PyLogBeatClient("127.0.0.1", server.port, timeout=4) as client:
        for at in range(0, 60, 20):
            client.send(events.payloads[at : at + 20])

    stored = server.documents(events.agent)
    assert as_sent(stored, events.as_sent()) == events.as_sent()


@pytest.mark.parametrize("compression", [0, 6], ids="compression {}".format)
async def test_timbersnake_is_acked_though_it_counts_from_zero(
    server: Server, compression: int
) -> None:
    events = Events(3)
    client = TimbersnakeClient("127.0.0.1", server.port, compression_level=compression)

    async with asyncio.timeout(15):
        await client.send([json.loads(payload) for payload in events.payloads])

    stored = server.documents(events.agent)
    assert as_sent(stored, events.as_sent()) == events.as_sent()


@pytest.mark.timeout(60)
def test_a_client_that_never_reads_an_ack_gets_its_events_stored(
    npm: None, server: Server, tmp_path: Path
) -> None:
    events = Events(40)

    with npm_peer.sending("lumberjack-client", server.port, events.write(tmp_path)) as sender:
        told = sender.wait_for("sent")
        stored = server.wait_for(events.agent, 40)

    assert told == 40
    assert as_sent(stored, events.as_sent()) == events.as_sent()


@pytest.mark.timeout(60)
def test_a_version_1_client_with_an_endless_window_is_acked(
    npm: None, server: Server, tmp_path: Path
) -> None:
    lines = corpus.lines("django", 40, 5)
    service = f"v1-{uuid.uuid4()}"
    flat = [{"message": m, "group": "pt", "service": service, "host": "h"} for m in lines]
    file = tmp_path / "flat.ndjson"
    file.write_text("\n".join(json.dumps(event) for event in flat), encoding="utf-8")

    with npm_peer.sending("lumberjack-protocol", server.port, file) as sender:
        acked = sender.wait_for("acked")

    reader = sqlite3.connect(f"file:{server.store}?mode=ro", uri=True)
    rows = reader.execute("SELECT message FROM documents WHERE service = ?", (service,)).fetchall()
    reader.close()
    assert acked == 40
    assert sorted(message for (message,) in rows) == sorted(lines)
