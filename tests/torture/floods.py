"""Floods: more of everything than is decent, and what the server makes of it.

    python -m tests.torture.floods outage        200 Beats, Elasticsearch away for 75 s
    python -m tests.torture.floods reconnects    5,000 Beats at once, each from its own address
    python -m tests.torture.floods idle          10,000 connections that say nothing
    python -m tests.torture.floods deaf          Beats that never read their acks
    python -m tests.torture.floods one_address   a thousand connections from one address
    python -m tests.torture.floods no_files      more connections than file descriptors
    python -m tests.torture.floods fairness      one greedy Beat among forty small ones

Each prints its figures as JSON. The small sizes of ``make test`` run the same code.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import resource
import socket
import statistics
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from ptingest.lumberjack.frames import encode_window
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.fakes.filebeat import Filebeat, Habits
from tests.support import waiting
from tests.support.server_process import ServerProcess
from tests.torture.oracle import Oracle
from tests.torture.places import judge_fake
from tests.torture.world import Stopwatch

MIB = 1 << 20
WORDS = " The quick brown parcel jumps over the lazy depot and is delivered the next morning." * 4
"""Makes an event about 1 kB, of which a window compresses about 10:1."""
PAUSE_SECONDS = 0.25
"""Between two windows of a small Beat."""
SMALL_WINDOW = 10
FULL_SECONDS = 2.5
LOG_LINES = 6
"""One kind of trouble may say so often what happens, whoever and how many cause it."""
Figures = dict[str, Any]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Flood:
    """A server before a fake Elasticsearch, and an oracle."""

    def __init__(
        self, folder: Path, *, events: int, peers: int, beats: Mapping[str, Any] | None = None
    ) -> None:
        self.oracle = Oracle(1, events, beats=peers, padding=WORDS)
        self.fake = FakeElasticsearch(keep=self.oracle.examine, remembers_requests=False)
        self._folder, self._beats = folder, beats or {}
        self.server: ServerProcess

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ServerProcess]:
        """Serve; at the end the server is asked to leave and must do so in order."""
        async with self.fake:
            config = {
                "sinks": {"elasticsearch": {"hosts": [self.fake.url]}},
                "beats": {"keepalive_seconds": 3, **self._beats},
            }
            self.server = ServerProcess(self._folder, config)
            try:
                await self.server.start()
                yield self.server
                code = await self.server.stop()
                assert code == 0, f"it left with {code}:\n{self.server.log_text()[-3000:]}"
                assert "Traceback" not in self.server.log_text(), self.server.log_text()[-3000:]
            finally:
                self.server.discard()

    def beat(self, number: int, habits: Habits) -> Filebeat:
        """A Beat with a file and an address of its own."""
        return Filebeat(
            self.server.port,
            render=self.oracle.render,
            on_acked=self.oracle.acked,
            chance=random.Random(number),
            habits=habits,
            local_host=address(number),
        )

    def judged(self) -> Figures:
        """What the oracle says; anything wrong is an error."""
        judge_fake(self.fake, self.oracle)
        verdict = self.oracle.verdict()
        assert verdict.faults() == [], verdict.faults()
        assert verdict.acked == verdict.events, verdict
        return {"events": verdict.events, "lost": 0, "doubled": 0}

    def windows(self, peer: int, events: int, *, level: int = 3) -> Iterator[tuple[bytes, range]]:
        """The windows of one peer's file, ready to be sent by hand, with their numbers."""
        numbers = self.oracle.numbers_of(peer)
        for start in range(0, len(numbers), events):
            part = numbers[start : start + events]
            payloads = self.oracle.render(part, random.Random(peer))
            yield encode_window(payloads, 1, level, 2), part


def address(number: int) -> str:
    """A loopback address for each peer."""
    return f"127.{1 + number // 50_000}.{number // 200 % 250}.{1 + number % 200}"


def mib(count: int) -> float:
    return round(count / MIB, 1)


async def read_ack(reader: asyncio.StreamReader, count: int) -> int:
    """Return how many keepalives came before the ack of a window of ``count`` events."""
    keepalives = 0
    while struct.unpack(">BBI", await reader.readexactly(6))[2] != count:
        keepalives += 1
    return keepalives


async def connect(server: ServerProcess, number: int) -> Streams:
    return await asyncio.open_connection("127.0.0.1", server.port, local_addr=(address(number), 0))


# -- the floods ------------------------------------------------------------------------------


async def outage(
    folder: Path,
    *,
    peers: int = 200,
    window: int = 2048,
    seconds: float = 75.0,
    timeout_seconds: float = 30.0,
    beats: Mapping[str, Any] | None = None,
) -> Figures:
    """Elasticsearch is away while every Beat fills its pipeline; then it comes back."""
    flood = Flood(folder, events=peers * window * 3, peers=peers, beats=beats)
    habits = Habits(pipelining=2, bulk_max_size=window, timeout_seconds=timeout_seconds)
    async with flood.running() as server:
        at_rest = server.rss_bytes()[0]
        await flood.fake.stop()
        clients = [flood.beat(number, habits) for number in range(peers)]
        shipping = await begin_shipping(flood, clients)
        seen = await watched(server, seconds)
        status = await server.status()
        reconnects = sum(beat.connections for beat in clients) - peers
        timeouts = sum(beat.timeouts for beat in clients)
        await flood.fake.start()
        watch = Stopwatch()
        await shipping
        figures = {
            "peers": peers,
            "events": peers * window * 3,
            "outage_seconds": seconds,
            "rss_at_rest_mib": mib(at_rest),
            "rss_during_outage_mib": mib(max(seen)),
            "rss_peak_mib": mib(server.rss_bytes()[1]),
            "reconnects_during_outage": reconnects,
            "timeouts_during_outage": timeouts,
            "timeouts": sum(beat.timeouts for beat in clients),
            "resent_events": sum(beat.resent_events for beat in clients),
            "keepalives": sum(beat.keepalives for beat in clients),
            "connections": status["beats"]["connections"],
            "waiting_mib": mib(status["beats"]["waiting_bytes"]),
            "outstanding_mib": mib(status["budget"]["outstanding_bytes"]),
            "drain_seconds": round(watch.seconds, 1),
        }
    return {**figures, **flood.judged()}


async def begin_shipping(flood: Flood, clients: Sequence[Filebeat]) -> asyncio.Future[Any]:
    """Let one after the other fill its pipeline: all at once would starve our own timers."""
    tasks = []
    for number, beat in enumerate(clients):
        tasks.append(asyncio.ensure_future(beat.ship(flood.oracle.numbers_of(number))))
        await waiting.until(lambda: beat.connections)  # noqa: B023 - looked at before the next one
    return asyncio.gather(*tasks)


async def reconnects(folder: Path, *, peers: int = 5000, window: int = 20) -> Figures:
    """All Beats of a site come back at once, each with a window in hand."""
    limits = {"connections": peers + 100}
    flood = Flood(folder, events=peers * window, peers=peers, beats={"limits": limits})
    habits = Habits(pipelining=2, bulk_max_size=window)
    async with flood.running() as server:
        clients = [flood.beat(number, habits) for number in range(peers)]
        watch = Stopwatch()
        await asyncio.gather(
            *[beat.ship(flood.oracle.numbers_of(n)) for n, beat in enumerate(clients)]
        )
        figures = {
            "peers": peers,
            "seconds": round(watch.seconds, 1),
            "timeouts": sum(beat.timeouts for beat in clients),
            "connections": sum(beat.connections for beat in clients),
            "rss_peak_mib": mib(server.rss_bytes()[1]),
        }
    return {**figures, **flood.judged()}


async def idle(folder: Path, *, peers: int = 10_000, look_seconds: float = 5.0) -> Figures:
    """Connections that say nothing cost memory and file descriptors and nothing else."""
    limits = {"connections": peers + 100, "first_byte_seconds": 600}
    flood = Flood(folder, events=2000, peers=1, beats={"limits": limits})
    async with flood.running() as server:
        before = server.rss_bytes()[0]
        silent: list[Streams] = []
        for start in range(0, peers, 200):
            silent += await asyncio.gather(
                *[connect(server, n) for n in range(start, min(peers, start + 200))]
            )
        await until(server, "ptingest_beats_open_connections", peers)
        rss = server.rss_bytes()[0]
        cpu = server.cpu_seconds()
        await asyncio.sleep(look_seconds)  # no race: what is measured while nothing happens
        cpu = server.cpu_seconds() - cpu
        watch = Stopwatch()
        await flood.beat(0, Habits(bulk_max_size=100)).ship(flood.oracle.numbers_of(0))
        figures = {
            "peers": peers,
            "rss_before_mib": mib(before),
            "rss_mib": mib(rss),
            "kib_a_connection": round((rss - before) / peers / 1024, 1),
            "cpu_share_while_idle": round(cpu / look_seconds, 3),
            "a_beat_ships_2000_in_seconds": round(watch.seconds, 2),
        }
        for _, writer in silent:
            writer.close()
    return {**figures, **flood.judged()}


async def deaf(
    folder: Path, *, peers: int = 100, windows: int = 2000, write_seconds: float = 5.0
) -> Figures:
    """Peers ask and ask and never read an answer; a good Beat among them notices nothing."""
    beats = {"limits": {"write_seconds": write_seconds}}
    flood = Flood(folder, events=2000, peers=1, beats=beats)
    async with flood.running() as server:
        before = server.rss_bytes()[0]
        asked = encode_window([], 0, 0, 2) * windows
        deafs = [asyncio.ensure_future(ask_for_ever(server, n + 1, asked)) for n in range(peers)]
        await flood.beat(0, Habits(bulk_max_size=20)).ship(flood.oracle.numbers_of(0))
        await asyncio.gather(*deafs)
        closed = 'ptingest_beats_closed_connections_total{reason="write_timeout"}'
        figures = {
            "peers": peers,
            "closed_for_not_reading": (await server.metrics()).get(closed, 0),
            "rss_before_mib": mib(before),
            "rss_peak_mib": mib(server.rss_bytes()[1]),
        }
    assert figures["closed_for_not_reading"] == peers, figures
    return {**figures, **flood.judged()}


async def ask_for_ever(server: ServerProcess, number: int, asked: bytes) -> None:
    """Send windows and read nothing, until the server has had enough of it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.bind((address(number), 0))
        await loop.sock_connect(connection, ("127.0.0.1", server.port))
        with contextlib.suppress(ConnectionError):
            while True:
                await loop.sock_sendall(connection, asked)


async def one_address(folder: Path, *, peers: int = 1000) -> Figures:
    """One address opens more connections than it may; others are served meanwhile."""
    limits = {"connections_per_ip": 50}
    flood = Flood(folder, events=2000, peers=1, beats={"limits": limits})
    async with flood.running() as server:
        crowd = await asyncio.gather(
            *[asyncio.open_connection("127.0.0.1", server.port) for _ in range(peers)]
        )
        await flood.beat(7, Habits(bulk_max_size=20)).ship(flood.oracle.numbers_of(0))
        rejected = 'ptingest_beats_rejected_connections_total{reason="connections_per_ip"}'
        figures = {
            "peers": peers,
            "rejected": (await server.metrics()).get(rejected, 0),
            "log_lines": server.log_text().count("connection refused"),
        }
        for _, writer in crowd:
            writer.close()
    assert figures["rejected"] == peers - 50, figures
    assert "127.0.0.1" in server.log_text()
    assert 1 <= int(figures["log_lines"]) <= LOG_LINES, figures
    return {**figures, **flood.judged()}


async def no_files(folder: Path, *, files: int = 300, peers: int = 600) -> Figures:
    """The process has no file descriptors left, and goes on when some come back."""
    flood = Flood(folder, events=2000, peers=1)
    async with flood.running() as server:
        hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (files, hard))
        crowd = await asyncio.gather(*[connect(server, n + 1) for n in range(peers)])
        await waiting.until(lambda: "cannot accept" in server.log_text())
        await asyncio.sleep(FULL_SECONDS)  # no race: it stays full as long
        opened = (await server.metrics_if_any()).get("ptingest_beats_open_connections")
        for _, writer in crowd:
            writer.close()
        watch = Stopwatch()
        await flood.beat(0, Habits(bulk_max_size=100)).ship(flood.oracle.numbers_of(0))
        figures = {
            "files": files,
            "peers": peers,
            "open_when_full": opened,
            "seconds_until_served_again": round(watch.seconds, 2),
            "log_lines": server.log_text().count("cannot accept"),
        }
    assert 1 <= int(figures["log_lines"] or 0) <= LOG_LINES, figures
    return {**figures, **flood.judged()}


async def fairness(
    folder: Path, *, peers: int = 40, seconds: float = 20.0, greedy_events: int = 600_000
) -> Figures:
    """Small Beats' ack latency, alone and beside one that ships as fast as it can."""
    small = int(seconds / PAUSE_SECONDS) * 2 * SMALL_WINDOW
    events = (peers + 1) * max(small, greedy_events // (peers + 1))
    flood = Flood(folder, events=events, peers=peers + 1)
    async with flood.running() as server:
        streams = [flood.windows(n + 1, SMALL_WINDOW) for n in range(peers)]
        alone = await latencies(flood, server, streams, seconds)
        greedy = flood.beat(0, Habits(pipelining=5))
        numbers = endless(flood.oracle.numbers_of(0))
        shipping = asyncio.ensure_future(greedy.ship(numbers))
        beside = await latencies(flood, server, streams, seconds)
        shipping.cancel()
        await asyncio.wait([shipping])
        return {
            "small_beats": peers,
            "alone_ms": spread(alone),
            "beside_a_greedy_one_ms": spread(beside),
            "slowest_beat_median_ms": round(max(map(statistics.median, beside)) * 1000, 1),
            "fastest_beat_median_ms": round(min(map(statistics.median, beside)) * 1000, 1),
        }


def endless(numbers: range) -> Iterator[int]:
    """The greedy file begins again at its end: the same events, recognised as such."""
    while True:
        yield from numbers


async def latencies(
    flood: Flood, server: ServerProcess, streams: Sequence[Iterator[tuple[bytes, range]]], s: float
) -> list[list[float]]:
    """Seconds from sending to ack, for each small Beat, during ``s`` seconds."""

    async def one(number: int) -> list[float]:
        found = []
        reader, writer = await connect(server, number + 1)
        until = time.monotonic() + s
        # no race: not all at the same moment
        await asyncio.sleep(PAUSE_SECONDS * number / len(streams))
        while time.monotonic() < until and (following := next(streams[number], None)):
            data, numbers = following
            began = time.monotonic()
            writer.write(data)
            await read_ack(reader, len(numbers))
            found.append(time.monotonic() - began)
            await asyncio.sleep(PAUSE_SECONDS)  # no race: a small Beat's pause
        writer.close()
        return found

    return await asyncio.gather(*[one(number) for number in range(len(streams))])


def spread(found: Sequence[Sequence[float]]) -> dict[str, float]:
    """Median, 99th hundredth and worst, in milliseconds."""
    flat = sorted(seconds * 1000 for one in found for seconds in one)
    return {
        "acks": len(flat),
        "p50": round(statistics.median(flat), 1),
        "p99": round(flat[int(len(flat) * 0.99)], 1),
        "max": round(flat[-1], 1),
    }


async def watched(server: ServerProcess, seconds: float) -> list[int]:
    """Resident bytes, looked at ten times a second."""
    seen = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen.append(server.rss_bytes()[0])
        await asyncio.sleep(0.1)  # no race: looks as often as it can
    return seen


async def until(server: ServerProcess, metric: str, value: float) -> None:
    """Return when a metric has reached a value."""

    async def is_reached() -> bool:
        return (await server.metrics()).get(metric, 0) >= value

    await waiting.until_told(is_reached)


FLOODS: dict[str, Callable[..., Coroutine[None, None, Figures]]] = {
    flood.__name__: flood
    for flood in (outage, reconnects, idle, deaf, one_address, no_files, fairness)
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Flood a server and see what it costs.")
    parser.add_argument("flood", nargs="*", help=f"all by default: {', '.join(FLOODS)}")
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    for name in given.flood or FLOODS:
        with tempfile.TemporaryDirectory(prefix="ptingest-flood-") as folder:
            figures = uvloop.run(FLOODS[name](Path(folder)))
        print(json.dumps({"flood": name, **figures}), flush=True)


if __name__ == "__main__":
    main()
