"""Torture with a buffer in Kafka: two receivers, a real broker, two indexers.

    Beats --> 2 receivers --> topic of 8 partitions --> 2 indexers --> fake Elasticsearch

A Beat is acked when the topic has its events, so at the end it is waited for what is in the
topic; the judgement is that of all other runs.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.peers.kafka_peer import Kafka, start_kafka
from tests.support.server_process import ServerProcess
from tests.torture.places import judge_fake, judge_letters
from tests.torture.runs import BEAT_SECONDS, LEAST_EVENTS_A_SECOND, outcome
from tests.torture.scenarios import Scenario
from tests.torture.world import HABITS, Outcome, Stopwatch, World, elasticsearch_config

TOPIC = "buffer"
PARTITIONS = 8
REST_SECONDS = 120.0
"""How long the indexers may take for what is left in the topic after the last ack."""
LIMIT_SECONDS = 300.0


class Site:
    """The processes of one run."""

    def __init__(self, world: World, kafka: Kafka) -> None:
        self.world, self.kafka = world, kafka
        self.receivers = [self._server(f"receiver-{n}", "receive", {}) for n in (1, 2)]
        sinks = {"sinks": {"elasticsearch": elasticsearch_config(world.fake.url)}}
        self.indexers = [self._server(f"indexer-{n}", "index", sinks) for n in (1, 2)]

    def _server(self, name: str, role: str, more: Mapping[str, Any]) -> ServerProcess:
        folder = self.world.folder / name
        folder.mkdir()
        buffer = {
            "brokers": [self.kafka.bootstrap],
            "topic": TOPIC,
            "session_seconds": 3,
            "commit_seconds": 0.5,
        }
        return ServerProcess(folder, {"role": role, "buffer": {"kafka": buffer}, **more})

    @property
    def servers(self) -> list[ServerProcess]:
        return [*self.receivers, *self.indexers]

    async def start(self) -> None:
        """Start every server that does not run."""
        await asyncio.gather(*(one.start() for one in self.servers if not one.is_running))

    def kill(self, server: ServerProcess, what: str) -> None:
        server.kill()
        self.world.inject(f"kill -9 of {what}")

    async def restart_kafka(self) -> None:
        await asyncio.to_thread(self.kafka.start)

    async def rest(self) -> None:
        """Wait until the sink has everything that was acked, and look at all books."""
        world = self.world
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS + world.oracle.events / LEAST_EVENTS_A_SECOND):
                while world.fake.count < world.oracle.acked_count or await self._is_busy():
                    await asyncio.sleep(0.2)  # no race: looks again until it is so
        for server in self.servers:
            world.problems += _faults(server, await server.status())

    async def _is_busy(self) -> bool:
        return any([_is_busy(await server.status()) for server in self.servers])

    async def stop(self) -> None:
        """Ask everybody to leave, in the order of travel."""
        for server in self.servers:
            if (code := await server.stop()) != 0:
                self.world.problems.append(f"{server.folder.name} left with {code}")

    def discard(self) -> None:
        for server in self.servers:
            server.discard()

    def judge(self) -> None:
        """Read all places where events may be."""
        judge_fake(self.world.fake, self.world.oracle)
        for server in self.servers:
            judge_letters(server.data_dir, self.world.oracle)
            if "Traceback" in (said := server.log_text()):
                at = said.index("Traceback")
                self.world.problems.append(f"{server.folder.name}: {said[at : at + 1500]}")


def _rows(status: Mapping[str, Any]) -> list[dict[str, int]]:
    return [row for rows in status["books"].values() for row in rows.values()]


def _is_busy(status: Mapping[str, Any]) -> bool:
    buffer, source = status["buffer"], status["kafka"].get("buffer")
    return bool(
        any(row["in_flight"] for row in _rows(status))
        or (buffer is not None and buffer["events"]["outstanding"])
        or (source is not None and any(row["lag"] != 0 for row in source["listed"]))
    )


def _faults(server: ServerProcess, status: Mapping[str, Any]) -> list[str]:
    found = [
        f"{server.folder.name}: books not at zero at rest: {row}"
        for row in _rows(status)
        if row["residue"] or row["in_flight"]
    ]
    if (buffer := status["buffer"]) is not None:
        events = buffer["events"]
        if events["outstanding"] or events["received"] != sum(events.values()) - events["received"]:
            found.append(f"{server.folder.name}: books of the buffer at rest: {events}")
        if buffer["outstanding_bytes"]:
            found.append(f"{server.folder.name}: bytes held at rest: {buffer}")
    return found


async def peace(site: Site) -> None:
    """Nothing breaks."""


async def kill_receivers(site: Site) -> None:
    """Receivers die in mid-stream and come back."""
    async for step in site.world.steps(4):
        site.kill(site.receivers[step % 2], "a receiver")
        await site.start()


async def kill_indexers(site: Site) -> None:
    """Indexers die with events under way; the group gives their partitions to the other one."""
    async for step in site.world.steps(4):
        site.kill(site.indexers[step % 2], "an indexer")
        await site.start()


async def kill_broker(site: Site) -> None:
    """The only broker dies in mid-stream, twice, and comes back with what it had."""
    async for _ in site.world.steps(2):
        site.kafka.kill()
        site.world.inject("kill -9 of the broker")
        await site.restart_kafka()


async def kill_all(site: Site) -> None:
    """Everything dies at once."""
    async for _ in site.world.steps(2):
        site.kafka.kill()
        for server in site.servers:
            server.kill()
        site.world.inject("kill -9 of everything at once")
        await site.restart_kafka()
        await site.start()


async def rebalances(site: Site) -> None:
    """Indexers leave and join in order, so that partitions move while events pass."""
    async for step in site.world.steps(4):
        leaving = site.indexers[step % 2]
        leaving.signal(signal.SIGTERM)
        if await leaving.wait() not in (0, 5):
            site.world.problems.append("an indexer did not leave in order")
        site.world.inject("an indexer leaves and joins")
        await site.start()


BUFFERED: Mapping[str, Callable[[Site], Awaitable[None]]] = {
    "buffer: peace": peace,
    "buffer: kill -9 of receivers": kill_receivers,
    "buffer: kill -9 of indexers": kill_indexers,
    "buffer: kill -9 of the broker": kill_broker,
    "buffer: kill -9 of all at once": kill_all,
    "buffer: rebalances": rebalances,
}


async def run_buffered(name: str, *, events: int, seed: int, folder: Path) -> Outcome:
    """Run one scenario of the table above from one seed."""
    largest = max(20, min(2048, events // 100))
    world = World(seed=seed, events=events, folder=folder, largest_window=largest)
    watch = Stopwatch()
    kafka = await asyncio.to_thread(start_kafka, folder / "kafka")
    try:
        kafka.create_topic(TOPIC, partitions=PARTITIONS)
        async with world.fake:
            await _run(world, kafka, BUFFERED[name])
    finally:
        kafka.close()
    return outcome(name, world, Scenario(run=_nothing), watch.seconds)


async def _run(world: World, kafka: Kafka, breaks: Callable[[Site], Awaitable[None]]) -> None:
    site = Site(world, kafka)
    world.any_server = site.receivers[0]
    try:
        await site.start()
        world.add_beats(site.receivers[0].port, timeout_seconds=BEAT_SECONDS)
        for number in range(1, len(HABITS), 2):
            world.beats[number].port = site.receivers[1].port
        await _ship(world, breaks(site))
        await site.rest()
        await site.stop()
        world.exit_code = 0
        site.judge()
    finally:
        site.discard()


async def _ship(world: World, breaking: Awaitable[None]) -> None:
    limit = LIMIT_SECONDS + world.oracle.events / LEAST_EVENTS_A_SECOND
    try:
        async with asyncio.timeout(limit):
            await asyncio.gather(breaking, world.ship())
    except TimeoutError:
        acked = world.oracle.acked_count
        world.problems.append(f"stalled: {acked} of {world.oracle.events} acked in {limit:g} s")


async def _nothing(_: World) -> None:
    """What breaks things here works with a site, not with a world alone."""
