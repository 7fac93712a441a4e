"""The scenarios: who breaks what, and when.

Each is a function of the ``World`` that runs while the Beats ship and returns when it has
done its worst. What it needs of the server's config, and whether doubles are its nature,
stands in the table ``SCENARIOS``.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.fakes.bad_wire import Weather
from tests.fakes.elasticsearch import Reply
from tests.peers.elasticsearch_peer import start_elasticsearch
from tests.torture.liar import LIES, PERMANENT, Liar
from tests.torture.requeues import requeue_under_fire
from tests.torture.stepped import SteppedServer
from tests.torture.world import World

Sink = Literal["fake", "store", "real"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the table."""

    run: Callable[[World], Coroutine[None, None, None]]
    sink: Sink = "fake"
    is_wired: bool = False
    """The Beats' bytes go through a bad wire."""
    ids: Literal["keyed", "none"] = "keyed"
    may_double: bool = False
    has_real_client: bool = False
    """go-lumber, the client inside Filebeat, ships instead of our Beats."""
    steps_clock: bool = False
    small_disk: tuple[str, int] | None = None
    """A folder under ``data`` and how many bytes it holds."""
    config: Mapping[str, Any] = field(default_factory=dict)
    limit_seconds: float = 120.0
    """The run has failed when it takes longer (grows with the number of events)."""


TWO = {"workers": 2}
LOGSTASH = {"profile": str(Path(__file__).with_name("logstash.conf"))}
FULL_SECONDS = 2.0
FULL_PATIENCE_SECONDS = 15.0
TIMED_LIES = ("429 with Retry-After", "429 at once", "answer lost after storing", "503")


async def peace(world: World) -> None:
    """Nothing breaks: what the others are measured by."""


async def kill_9(world: World) -> None:
    """The server dies in mid-stream and comes back, several times."""
    async for _ in world.steps(4):
        await asyncio.sleep(world.chance.random() / 20)  # no race: any moment will do
        world.server.kill()
        world.inject("kill -9 of the server")
        await world.server.start()


async def kill_9_workers(world: World) -> None:
    """Workers die in mid-stream, one or several at a time, and are started again."""
    async for step in world.steps(8):
        await asyncio.sleep(world.chance.random() / 20)  # no race: any moment will do
        for _ in range(1 + (step % 3 == 2)):
            if world.server.kill_a_worker(world.chance):
                world.inject("kill -9 of a worker")


async def kill_9_supervisor(world: World) -> None:
    """The supervisor dies; its workers bring home what they have beside the next one's."""
    async for step in world.steps(4):
        await asyncio.sleep(world.chance.random() / 20)  # no race: any moment will do
        if step % 2:
            world.server.kill_a_worker(world.chance)
        world.server.kill()
        world.inject("kill -9 of the supervisor")
        await world.server.start()


async def workers_under_everything(world: World) -> None:
    """Workers and supervisor die, drain and reload while Elasticsearch lies."""
    lies = [name for name in LIES if name not in PERMANENT]
    world.fake.always = liar = Liar(world.chance, lies, share=0.25)
    async for _ in world.steps(8):
        match world.chance.choice(("worker", "supervisor", "term", "hup")):
            case "worker":
                world.server.kill_a_worker(world.chance)
                world.inject("kill -9 of a worker")
            case "supervisor":
                world.server.kill()
                world.inject("kill -9 of the supervisor")
                await world.server.start()
            case "term":
                world.server.signal(signal.SIGTERM)
                world.inject("SIGTERM in mid-window")
                await world.server.wait()
                await world.server.start()
            case _:
                world.server.signal(signal.SIGHUP)
                world.inject("SIGHUP")
    await world.until_acked(1.0)
    world.injected.update(liar.told)


async def sigterm(world: World) -> None:
    """The server is asked to leave in mid-window and must end in time and in order."""
    async for _ in world.steps(3):
        world.server.signal(signal.SIGTERM)
        world.inject("SIGTERM in mid-window")
        code = await world.server.wait()
        if code not in (0, 5):
            world.problems.append(f"SIGTERM ended with exit code {code}")
        await world.server.start()


async def second_sigterm(world: World) -> None:
    """Two signals: the server leaves at once and owes nobody anything."""
    async for _ in world.steps(3):
        world.fake.always = Reply(status=503)
        await asyncio.sleep(0.1)  # no race: any moment will do
        world.server.signal(signal.SIGTERM)
        await asyncio.sleep(0.05)  # no race: any moment will do
        world.server.signal(signal.SIGTERM)
        world.inject("second SIGTERM")
        await world.server.wait()
        world.heal()
        await world.server.start()


async def crashing_beats(world: World) -> None:
    """Beats die and ship again what their registry forgot; the server dies between."""
    async for step in world.steps(6):
        world.chance.choice(world.beats).crash()
        world.inject("kill -9 of a Beat")
        if step % 3 == 2:
            world.server.kill()
            for beat in world.beats:
                beat.crash()
            world.inject("kill -9 of everything at once")
            await world.server.start()


def lying(*lies: str, share: float = 0.5) -> Callable[[World], Coroutine[None, None, None]]:
    """Return a scenario in which Elasticsearch tells these lies until everything is acked."""

    async def run(world: World) -> None:
        liar = Liar(world.chance, lies, share=share)
        world.fake.always = liar
        await world.until_acked(1.0)
        world.injected.update(liar.told)

    return run


async def lies_in_turn(world: World) -> None:
    """Every lie on its own, one after the other, to one server."""
    for turn, name in enumerate(LIES, 1):
        world.fake.always = liar = Liar(world.chance, [name])
        await world.until_acked(turn / len(LIES))
        world.injected.update(liar.told)


async def mapping_conflict(world: World) -> None:
    """Half-way, some documents are no longer taken."""
    await world.until_acked(0.5)
    world.inject("mapping conflict")
    world.fake.always = Liar(world.chance, ["poison among good"])
    await world.until_acked(1.0)


async def rollover(world: World) -> None:
    """Answers are lost before and after, and the streams roll over before the next try."""
    await roll_over(world, times=1)


async def rollovers(world: World) -> None:
    """As ``rollover``, several times within one doubt: more than the last index seen tells."""
    await roll_over(world, times=6)


async def roll_over(world: World, *, times: int) -> None:
    async for _ in world.steps(times):
        world.fake.always = Liar(world.chance, ["answer lost after storing"], share=1.0)
        await asyncio.sleep(0.1)  # no race: any moment will do
        for name in world.fake.data_streams:
            world.fake.rollover(name)
        world.inject("rollover between first try and retry")
        await asyncio.sleep(0.05)  # no race: any moment will do
        world.heal()


async def kill_real_node(world: World) -> None:
    """A real Elasticsearch dies in mid-bulk and comes back with its shards unassigned."""
    assert world.node is not None
    for share in (0.25, 0.6):
        await world.until_acked(share)
        world.node.kill()
        world.inject("kill -9 of Elasticsearch")
        again = (world.node.data_dir, world.node.port)
        world.node = await asyncio.to_thread(start_elasticsearch, again[0], port=again[1])
        if share > 0.5:
            world.server.discard()
            world.inject("kill -9 of the server")
            await world.server.start()


async def sighup(world: World) -> None:
    """The config is read anew all the time, now and then a broken one."""
    server = world.server
    good = server.config_path.read_text()
    async for step in world.steps(25):
        server.config_path.write_text("beats: {lisen: x}" if step % 5 == 4 else good)
        server.signal(signal.SIGHUP)
        world.inject("SIGHUP, broken config" if step % 5 == 4 else "SIGHUP")
        await asyncio.sleep(0.02)  # no race: any moment will do
    server.config_path.write_text(good)


async def full_disk(world: World) -> None:
    """Half of everything is stored when the disk is full; it gets room a little later."""
    assert world.disk is not None
    server = world.server
    world.fake.always = Liar(world.chance, ["poison among good"])
    world.disk.limit(server.pid)
    world.inject("disk full")
    until = asyncio.get_running_loop().time() + FULL_SECONDS
    latest = until + FULL_PATIENCE_SECONDS
    while (now := asyncio.get_running_loop().time()) < until or (
        # On a busy machine the room that is left lasts longer.
        not world.notes.get("not ready because") and now < latest
    ):
        await asyncio.sleep(0.1)  # no race: looks again until it is so
        status = await server.status()
        world.notes["not ready because"] = status["not_ready_because"] or world.notes.get(
            "not ready because"
        )
    if not world.notes["not ready because"]:
        world.problems.append("the disk was to be full, and /status never said so")
    world.disk.grow(server.pid)
    await world.until_acked(1.0)


async def clock_steps(world: World) -> None:
    """The wall clock jumps to and fro by seconds and days while documents are in flight."""
    assert isinstance(world.any_server, SteppedServer)
    world.fake.always = Liar(world.chance, [*TIMED_LIES, "poison among good"], share=0.3)
    async for _ in world.steps(12):
        step = world.chance.choice((-1.0, 1.0)) * 10 ** world.chance.uniform(-1, 5.2)
        world.any_server.clock.step_seconds = step
        world.inject("clock step")
    await world.until_acked(1.0)


async def elasticsearch_away(world: World) -> None:
    """The node refuses connections for a while, again and again."""
    async for _ in world.steps(4):
        await world.fake.stop()
        world.inject("Elasticsearch away")
        await asyncio.sleep(0.3 + world.chance.random())  # no race: as long as it is away
        await world.fake.start()


async def bad_wire(world: World) -> None:
    """Lines between Beat and server are cut, stall and trickle at any byte."""

    def draw() -> Weather:
        chance = world.chance
        kind = chance.choice(("cut sent", "cut answered", "stall", "trickle", "good"))
        world.inject(f"wire: {kind}")
        size = int(10 ** chance.uniform(0, 6.3))  # up to a whole pipeline
        match kind:
            case "cut sent":
                return Weather(cut_after_sent=size)
            case "cut answered":
                return Weather(cut_after_answered=chance.randint(1, 30))
            case "stall":
                return Weather(stall_after_sent=size, stall_seconds=0.4, cut_after_sent=4 * size)
            case "trickle":
                return Weather(trickle_bytes=chance.randint(1, 200), cut_after_sent=size // 4 + 1)
            case _:
                return Weather(cut_after_sent=50 * size)

    world.draw_weather = draw
    await world.until_acked(0.95)
    world.draw_weather = Weather


async def everything(world: World) -> None:
    """All of it at once, as the die falls."""
    lies = [name for name in LIES if name not in PERMANENT]
    world.fake.always = liar = Liar(world.chance, lies, share=0.25)

    async def wire() -> None:
        await bad_wire(world)

    async def deaths() -> None:
        async for _ in world.steps(4):
            world.server.signal(signal.SIGHUP)
            world.inject("SIGHUP")
            match world.chance.choice(("kill", "term", "beat", "es")):
                case "kill":
                    world.server.kill()
                    world.inject("kill -9 of the server")
                    await world.server.start()
                case "term":
                    world.server.signal(signal.SIGTERM)
                    world.inject("SIGTERM in mid-window")
                    await world.server.wait()
                    await world.server.start()
                case "beat":
                    world.chance.choice(world.beats).crash()
                    world.inject("kill -9 of a Beat")
                case _:
                    await world.fake.stop()
                    world.inject("Elasticsearch away")
                    await asyncio.sleep(0.3)  # no race: as long as it is away
                    await world.fake.start()

    await asyncio.gather(wire(), deaths())
    await world.until_acked(1.0)
    world.injected.update(liar.told)


SCENARIOS: dict[str, Scenario] = {
    "peace": Scenario(run=peace),
    "kill -9": Scenario(run=kill_9),
    "kill -9, embedded store": Scenario(run=kill_9, sink="store"),
    "kill -9, logstash.conf": Scenario(run=kill_9, config=LOGSTASH),
    "SIGTERM": Scenario(run=sigterm),
    "second SIGTERM": Scenario(run=second_sigterm),
    "crashing Beats": Scenario(run=crashing_beats),
    "bad wire": Scenario(run=bad_wire, is_wired=True),
    "SIGHUP": Scenario(run=sighup),
    "go-lumber": Scenario(run=peace, has_real_client=True),
    "go-lumber, kill -9": Scenario(run=kill_9, has_real_client=True),
    "clock steps": Scenario(run=clock_steps, steps_clock=True),
    "disk full under the dead letters": Scenario(
        run=full_disk, small_disk=("dead_letters", 16 << 10)
    ),
    "disk full under the store": Scenario(run=full_disk, sink="store", small_disk=("", 2 << 20)),
    "Elasticsearch away": Scenario(run=elasticsearch_away),
    "real Elasticsearch, kill -9": Scenario(run=kill_real_node, sink="real"),
    "rollover": Scenario(run=rollover),
    "rollovers in quick succession": Scenario(run=rollovers, may_double=True),
    "mapping conflict": Scenario(run=mapping_conflict),
    "requeue, killed in the middle": Scenario(run=requeue_under_fire),
    **{f"lie: {name}": Scenario(run=lying(name)) for name in LIES},
    "lies in turn": Scenario(run=lies_in_turn),
    "lies, mixed": Scenario(run=lying(*LIES, share=0.6)),
    "lies without ids": Scenario(run=lying(*LIES, share=0.4), ids="none", may_double=True),
    "2 workers": Scenario(run=peace, config=TWO),
    "2 workers, kill -9 of workers": Scenario(run=kill_9_workers, config=TWO),
    "2 workers, kill -9 of workers, embedded store": Scenario(
        run=kill_9_workers, sink="store", config=TWO
    ),
    "2 workers, kill -9 of the supervisor": Scenario(run=kill_9_supervisor, config=TWO),
    "2 workers, kill -9 of the supervisor, embedded store": Scenario(
        run=kill_9_supervisor, sink="store", config=TWO
    ),
    "2 workers, SIGHUP": Scenario(run=sighup, config=TWO),
    "2 workers, SIGTERM": Scenario(run=sigterm, config=TWO),
    "2 workers, mapping conflict": Scenario(run=mapping_conflict, config=TWO),
    "2 workers, requeue, killed in the middle": Scenario(run=requeue_under_fire, config=TWO),
    "2 workers, everything": Scenario(run=workers_under_everything, config=TWO),
    "everything": Scenario(run=everything, is_wired=True),
}
