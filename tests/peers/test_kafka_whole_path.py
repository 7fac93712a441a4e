"""Records of a real Kafka through a whole server into its store, and what a kill leaves."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from benchmarks.processes import free_port
from tests.fakes.beat import Beat
from tests.peers.kafka_peer import Kafka
from tests.support.command import run
from tests.support.kafka import committed, send
from tests.support.raw_peer import shipped
from tests.support.server_process import ServerProcess
from tests.support.waiting import until, until_told, wait_until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

EVENTS = 2000
SECONDS = 120.0
ODD: tuple[bytes | None, ...] = (b"no json", None, b"")
"""A record that is no JSON, a tombstone, and a value of no bytes."""


class Server:
    """`ptingest serve` that reads ``topic`` into its embedded store."""

    def __init__(self, folder: Path, kafka: Kafka, topic: str, **settings: float) -> None:
        self._port = free_port()
        self.config = folder / "ptingest.yaml"
        self.config.write_text(
            json.dumps(
                {
                    "data_dir": str(folder / "data"),
                    "beats": {"listen": f"127.0.0.1:{free_port()}"},
                    "api": {"listen": f"127.0.0.1:{self._port}"},
                    "kafka": {
                        "brokers": kafka.bootstrap,
                        "topics": topic,
                        "group": topic,
                        "session_seconds": 6,
                        **settings,
                    },
                    "sinks": {"store": {}},
                }
            )
        )
        self._log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command("serve"), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def _command(self, *words: str) -> list[str]:
        program = [sys.executable, "-m", "ptingest.cli.main"]
        return [*program, *words, "--config", str(self.config)]

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def count(self, name: str, *labels: str) -> float:
        """The sum of a metric's values whose line has all ``labels``; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as at:
                lines = at.read().decode().splitlines()
        except OSError:
            return 0.0
        mine = (line for line in lines if line.startswith((f"{name}{{", f"{name} ")))
        return sum(float(line.split()[-1]) for line in mine if all(one in line for one in labels))

    def until_settled(self, count: int) -> None:
        wait_until(
            lambda: self.count("ptingest_kafka_settled_events_total") >= count,
            seconds=120.0,
            otherwise=lambda: self._log.read_text(errors="replace")[-3000:],
        )

    def told(self, *words: str) -> list[str]:
        """What a command prints, a line each."""
        ran = subprocess.run(self._command(*words), capture_output=True, text=True, check=True)
        return ran.stdout.splitlines()


def start(folder: Path, kafka: Kafka, topic: str, **settings: float) -> Iterator[Server]:
    kafka.create_topic(topic, partitions=2)
    server = Server(folder, kafka, topic, **settings)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture
def server(tmp_path: Path, kafka: Kafka, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Commits rarely, so that a kill leaves much to be read again."""
    yield from start(tmp_path, kafka, "whole-" + request.node.name[5:30], commit_seconds=3600)


def events() -> list[bytes]:
    base = {"@timestamp": "2026-11-29T20:00:00.000Z", "group": "pt", "service": "django"}
    return [json.dumps({**base, "message": f"line {n}"}).encode() for n in range(EVENTS)]


def topic_of(server: Server) -> str:
    return str(json.loads(server.config.read_text())["kafka"]["topics"])


def fill(kafka: Kafka, topic: str) -> None:
    half = EVENTS // 2
    send(kafka.bootstrap, topic, *events()[:half], compression_type="zstd")
    send(kafka.bootstrap, topic, *events()[half:], *ODD, partition=1, compression_type="lz4")


def test_a_drain_commits_what_is_stored_and_the_books_balance(server: Server, kafka: Kafka) -> None:
    topic = topic_of(server)
    fill(kafka, topic)
    server.until_settled(EVENTS + len(ODD))

    assert server.count("ptingest_lane_settled_events_total", 'fate="stored"') == EVENTS
    assert server.count("ptingest_lane_settled_events_total", 'fate="dead_lettered"') == 3
    assert server.count("ptingest_flow_residue_events") == 0
    assert server.count("ptingest_kafka_outstanding_events") == 0
    assert server.end(signal.SIGTERM) == 0

    offsets = committed(kafka.bootstrap, topic, group=topic, partitions=2)
    assert offsets == [EVENTS // 2, EVENTS // 2 + len(ODD)]
    letters = "\n".join(server.told("dead-letters", "list"))
    for reason, offset in (("not_json", 1000), ("not_an_object", 1001), ("empty", 1002)):
        assert reason in letters
        assert f"(topic {topic}, partition 1, offset {offset})" in letters


def test_what_a_killed_server_did_not_commit_is_read_again_and_stored_once(
    server: Server, kafka: Kafka
) -> None:
    topic = topic_of(server)
    fill(kafka, topic)
    server.until_settled(EVENTS)

    server.end(signal.SIGKILL)
    server.start()
    server.until_settled(EVENTS + len(ODD))

    assert server.count("ptingest_lane_settled_events_total", 'fate="already_stored"') > 0
    assert server.end(signal.SIGTERM) == 0
    stored = server.told("search", "*", "--json", "--all")
    assert len(stored) == EVENTS
    assert all(sum(f'"line {n}"' in line for line in stored) == 1 for n in (0, 999, 1999))
    offsets = committed(kafka.bootstrap, topic, group=topic, partitions=2)
    assert offsets == [EVENTS // 2, EVENTS // 2 + len(ODD)]


async def test_one_process_with_both_roles_is_killed_and_every_event_is_stored_once(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic = "both-roles"
    kafka.create_topic(topic, partitions=2)
    buffer = {
        **{"brokers": [kafka.bootstrap], "topic": topic, "group": topic},
        **{"session_seconds": 3, "commit_seconds": 0.5},
    }
    server = ServerProcess(tmp_path, {"buffer": {"kafka": buffer}, "sinks": {"store": {}}})
    lines = [f"INFO|apps.views|2025-01-02T03:04:05Z|line {n}" for n in range(EVENTS)]
    sent = [shipped(line, offset=number) for number, line in enumerate(lines)]
    windows = [sent[at : at + 50] for at in range(0, EVENTS, 50)]
    await server.start()
    try:
        beat = Beat(server.port)
        delivering = asyncio.create_task(beat.deliver(windows))
        await until(lambda: len(beat.acked) >= 15, seconds=SECONDS)
        server.kill()
        await server.start()
        await delivering
        server.kill()
        await server.start()

        await until_told(partial(has_read_all, server), seconds=SECONDS)
        status = await server.status()
        assert await server.stop() == 0
    finally:
        server.discard()

    command = ["search", "*", "--json", "--all", "--config", server.config_path]
    found = await asyncio.to_thread(run, *command, folder=tmp_path)
    stored = sorted(json.loads(line)["message"] for line in found.out.splitlines())
    assert stored == sorted(lines)
    assert status["role"] == "both"
    assert len(beat.acked) == len(windows)
    assert "Traceback" not in server.log_text()


async def has_read_all(server: ServerProcess) -> bool:
    """Whether all that is in the topic is safe in the sinks."""
    source = (await server.status())["kafka"]["buffer"]
    return source["partitions"] == 2 and all(one["lag"] == 0 for one in source["listed"])
