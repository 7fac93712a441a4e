"""One run: an oracle, Beats, a server, a place for the documents, and somebody who breaks things.

    Beats --(BadWire)--> server --> fake Elasticsearch | embedded store | real Elasticsearch

A scenario breaks things while the Beats ship. When every event is acked the world is healed,
the server's books are read at rest, the server is asked to leave, and the oracle compares.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.bad_wire import Weather
from tests.fakes.elasticsearch import GOOD, FakeElasticsearch
from tests.fakes.filebeat import Filebeat, Habits
from tests.peers import golumber_peer
from tests.peers.elasticsearch_peer import Node
from tests.support.server_process import ServerProcess
from tests.torture.disks import SmallDisk
from tests.torture.liar import REQUEST_SECONDS
from tests.torture.oracle import Oracle, Verdict
from tests.torture.places import judge_elasticsearch, judge_fake, judge_letters, judge_store
from tests.torture.stepped import SteppedServer

HABITS = (
    Habits(pipelining=2, bulk_max_size=2048, compression_level=3),
    Habits(pipelining=0, bulk_max_size=500, compression_level=0),
    Habits(pipelining=5, bulk_max_size=100, compression_level=1),
    Habits(pipelining=2, bulk_max_size=1600, slow_start=True, compression_level=9),
    Habits(pipelining=1, bulk_max_size=50, slow_start=True, compression_level=3),
)
"""One Beat each, so that every habit is in every run."""
REST_SECONDS = 60.0
"""So long the server may take to bring its books to rest after the last ack."""
RETRY = {"initial_seconds": 0.02, "max_seconds": 0.2}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a scenario came to."""

    scenario: str
    seed: int
    verdict: Verdict
    seconds: float
    connections: int
    resent_events: int
    exit_code: int | None
    injected: Mapping[str, int]
    problems: list[str]
    """Everything that makes the run a failure, in sentences."""
    notes: Mapping[str, object] = field(default_factory=dict)


class World:
    """What a scenario may touch."""

    def __init__(
        self,
        *,
        seed: int,
        events: int,
        folder: Path,
        largest_window: int,
        has_real_client: bool = False,
        poison: int | None = None,
    ) -> None:
        self.seed, self.folder, self.has_real_client = seed, folder, has_real_client
        self.chance = random.Random(seed)
        self.oracle = Oracle(seed, events, beats=len(HABITS), poison=poison)
        self.fake = FakeElasticsearch(keep=self.oracle.examine, remembers_requests=False)
        self.injected: Counter[str] = Counter()
        self.notes: dict[str, object] = {}
        self.problems: list[str] = []
        self.any_server: ServerProcess | SteppedServer | None = None
        self.node: Node | None = None
        self.disk: SmallDisk | None = None
        self.exit_code: int | None = None
        self.draw_weather: Callable[[], Weather] = Weather
        """What the wire is like for the next connection of a Beat."""
        self.beats: list[Filebeat] = []
        self._largest_window = largest_window
        self._progress = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def server(self) -> ServerProcess:
        """The server where it is a process that can be killed."""
        assert isinstance(self.any_server, ServerProcess)
        return self.any_server

    @property
    def _server_of_any_kind(self) -> ServerProcess | SteppedServer:
        assert self.any_server is not None
        return self.any_server

    def add_beats(self, port: int, *, timeout_seconds: float) -> None:
        """One Beat for each habit; they share no connection and no file."""
        for habits in HABITS:
            size = min(habits.bulk_max_size, self._largest_window)
            mine = Habits(
                pipelining=habits.pipelining,
                bulk_max_size=size,
                slow_start=habits.slow_start,
                compression_level=habits.compression_level,
                timeout_seconds=timeout_seconds,
            )
            self.beats.append(
                Filebeat(
                    port,
                    render=self.oracle.render,
                    on_acked=self._note_acked,
                    chance=random.Random(self.chance.random()),
                    habits=mine,
                )
            )

    async def ship(self) -> None:
        """Let every client ship its file to the end."""
        if self.has_real_client:
            await self._ship_with_golumber()
            return
        async with asyncio.TaskGroup() as group:
            for number, beat in enumerate(self.beats):
                group.create_task(beat.ship(self.oracle.numbers_of(number)))

    async def _ship_with_golumber(self) -> None:
        """Let the client inside Filebeat ship; it says at its end that all is acked."""
        file = self.folder / "events.ndjson"
        with file.open("wb") as lines:
            for payload in self.oracle.render(range(self.oracle.events), self.chance):
                lines.write(payload + b"\n")
        command = golumber_peer.command(
            self.server.port,
            file,
            share=True,
            connections=3,
            pipeline=2,
            batch=self._largest_window,
            timeout="5s",
            retries=1000,
        )
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        watcher = asyncio.ensure_future(self._watch_fake())
        try:
            out, _ = await process.communicate()
        finally:
            watcher.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        sent = golumber_peer.read_report(out.decode())
        self.notes["go-lumber"] = sent._asdict()
        if sent.events_acked != self.oracle.events:
            self.problems.append(f"go-lumber gave up: {sent}")
            return
        self._note_acked(range(self.oracle.events))

    async def _watch_fake(self) -> None:
        """A real client's progress shows in what is stored."""
        while True:
            self._note_progress(self.fake.count)
            await asyncio.sleep(0.01)  # no race: looks again until all is there

    async def until_acked(self, share: float) -> None:
        """Return when so much of everything is acked (or stored, with a real client)."""
        wanted = int(share * self.oracle.events)
        if self._progress < wanted:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((wanted, future))
            await future

    async def steps(self, count: int, *, up_to: float = 0.9) -> AsyncIterator[int]:
        """Come back ``count`` times, spread evenly over the shipping."""
        for step in range(count):
            await self.until_acked((step + 0.5) / count * up_to)
            yield step

    def weather(self) -> Weather:
        """What the next connection of a Beat gets; asked by the wire at each."""
        return self.draw_weather()

    def inject(self, what: str) -> None:
        """Count a fault that was injected."""
        self.injected[what] += 1

    def _note_acked(self, numbers: Sequence[int]) -> None:
        self.oracle.acked(numbers)
        self._note_progress(self.oracle.acked_count)

    def _note_progress(self, count: int) -> None:
        self._progress = count
        for wanted, future in self._waiting:
            if count >= wanted and not future.done():
                future.set_result(None)
        self._waiting = [pair for pair in self._waiting if not pair[1].done()]

    # -- the end -------------------------------------------------------------------------

    def heal(self) -> None:
        """Nothing is broken from now on."""
        self.draw_weather = Weather
        self.fake.always = GOOD

    async def come_to_rest(self) -> None:
        """Wait until nothing is in flight; the books must balance to zero by then."""
        status: dict[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                while True:
                    status = await self._server_of_any_kind.status()
                    # Without a budget no worker tells anything: all are being started again.
                    if "budget" in status and not any(r["in_flight"] for r in _rows(status)):
                        break
                    await asyncio.sleep(0.05)  # no race: looks again until it is so
        for row in _rows(status):
            if row["residue"] or row["in_flight"]:
                self.problems.append(f"books not at zero at rest: {row}")
        budget = status["budget"]
        if budget["outstanding_bytes"] or budget["large_bytes"] or status["beats"]["waiting_bytes"]:
            self.problems.append(
                f"bytes held at rest: {status['budget']}, beats {status['beats']['waiting_bytes']}"
            )

    async def judge_own_places(self) -> None:
        """Look everywhere this machine's server may have put events."""
        if self.node is not None:
            await judge_elasticsearch(self.node.url, "logs-*-pt", self.oracle)
        judge_fake(self.fake, self.oracle)
        judge_letters(self._server_of_any_kind.data_dir, self.oracle)
        judge_store(self._server_of_any_kind.data_dir / "store.sqlite", self.oracle)


def _rows(status: Mapping[str, Any]) -> list[dict[str, int]]:
    return [row for rows in status["books"].values() for row in rows.values()]


def lane_config(**more: object) -> dict[str, object]:
    """A lane in a hurry: small batches, short backoffs."""
    return {
        "batch": {"max_documents": 300, "max_age_seconds": 0.02},
        "retry": RETRY,
        **more,
    }


def elasticsearch_config(url: str, **more: object) -> dict[str, object]:
    """The Elasticsearch sink with a short patience for answers."""
    return lane_config(hosts=[url], request_seconds=REQUEST_SECONDS, **more)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began
