"""Runs one scenario to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fakes.bad_wire import BadWire
from tests.peers.elasticsearch_peer import Node, install_template, start_elasticsearch
from tests.support.server_process import ServerProcess
from tests.torture.disks import SmallDisk
from tests.torture.places import judge_elasticsearch
from tests.torture.scenarios import SCENARIOS, Scenario
from tests.torture.stepped import SteppedServer
from tests.torture.world import (
    HABITS,
    Outcome,
    Stopwatch,
    World,
    elasticsearch_config,
    lane_config,
)

LEAST_EVENTS_A_SECOND = 500
"""Slower than this, faults included, is a stall and a failure."""
BREAKER_SECONDS = 120.0
"""How long a scenario may go on after everything is acked."""
BEAT_SECONDS = 20.0
"""How long a Beat waits for an ack, a keepalive included; some come every half second, from a
server that may just be started, on a machine that may be busy."""
WIRED_SECONDS = 5.0
"""The same behind a bad wire, which may swallow what was answered."""


async def run(name: str, *, events: int, seed: int, folder: Path) -> Outcome:
    """Run one scenario of the table from one seed."""
    scenario = SCENARIOS[name]
    world = World(
        seed=seed,
        events=events,
        folder=folder,
        largest_window=max(20, min(2048, events // 100)),
        has_real_client=scenario.has_real_client,
    )
    watch = Stopwatch()
    async with surroundings(world, scenario) as sinks:
        config = {"sinks": sinks, **scenario.config}
        server = SteppedServer if scenario.steps_clock else ServerProcess
        await serve_and_break(world, scenario, server(folder, config))
        await world.judge_own_places()
    return outcome(name, world, scenario, watch.seconds)


async def serve_and_break(
    world: World, scenario: Scenario, server: ServerProcess | SteppedServer
) -> None:
    """Run the server through the scenario and to its rest and end."""
    world.any_server = server
    try:
        await server.start()
        await ship_and_break(world, scenario, server.port)
        world.heal()
        await world.come_to_rest()
        world.exit_code = await server.stop()
        if world.exit_code != 0:
            world.problems.append(f"after everything was acked it left with {world.exit_code}")
    finally:
        server.discard()


async def run_foreign(
    *,
    host: str,
    port: int,
    elasticsearch: str,
    indices: str,
    events: int,
    seed: int,
    folder: Path,
    is_wired: bool,
    may_double: bool,
    is_poisoned: bool,
) -> Outcome:
    """Judge a server that somebody else runs, by what reaches its Elasticsearch."""
    world = World(
        seed=seed,
        events=events,
        folder=folder,
        largest_window=max(20, min(2048, events // 100)),
        poison=events // 2 + 7 * len(HABITS) if is_poisoned else None,
    )
    watch = Stopwatch()
    name = "bad wire" if is_wired else "peace"
    scenario = replace(SCENARIOS[name], may_double=may_double)
    async with BadWire(port, world.weather, host=host) as wire:
        world.add_beats(wire.port, timeout_seconds=30)
        await ship_in_time(world, scenario)
    await judge_elasticsearch(elasticsearch, indices, world.oracle)
    return outcome(f"{name}, {host}:{port}", world, scenario, watch.seconds)


@contextlib.asynccontextmanager
async def surroundings(world: World, scenario: Scenario) -> AsyncIterator[Mapping[str, Any]]:
    """Start what stands behind the server; gives the config's ``sinks``."""
    with contextlib.ExitStack() as stack:
        if scenario.small_disk is not None:
            where, size = scenario.small_disk
            folder = world.folder / "data" / where
            world.disk = stack.enter_context(SmallDisk(folder, size))
        match scenario.sink:
            case "store":
                yield {"store": lane_config()}
            case "fake":
                async with world.fake:
                    yield {"elasticsearch": elasticsearch_config(world.fake.url, ids=scenario.ids)}
            case "real":
                world.node = await asyncio.to_thread(real_node, world.folder)
                try:
                    yield {"elasticsearch": lane_config(hosts=[world.node.url], request_seconds=5)}
                finally:
                    world.node.kill()


def real_node(folder: Path) -> Node:
    """A real Elasticsearch with the template."""
    node = start_elasticsearch(folder / "elasticsearch")
    install_template(node)
    return node


async def ship_and_break(world: World, scenario: Scenario, port: int) -> None:
    """Ship everything while the scenario does its worst."""
    if not scenario.is_wired:
        world.add_beats(port, timeout_seconds=BEAT_SECONDS)
        await ship_in_time(world, scenario)
        return
    async with BadWire(port, world.weather) as wire:
        world.add_beats(wire.port, timeout_seconds=WIRED_SECONDS)
        await ship_in_time(world, scenario)


async def ship_in_time(world: World, scenario: Scenario) -> None:
    """A run that takes too long has stalled, which is a failure."""
    limit = scenario.limit_seconds + world.oracle.events / LEAST_EVENTS_A_SECOND
    try:
        async with asyncio.timeout(limit):
            await ship_beside(world, scenario)
    except TimeoutError:
        world.problems.append(
            f"stalled: {world.oracle.acked_count} of {world.oracle.events} acked "
            f"after {limit:g} s; last errors {[str(b.last_error) for b in world.beats]}"
        )


async def ship_beside(world: World, scenario: Scenario) -> None:
    async with asyncio.TaskGroup() as group:
        breaking = group.create_task(scenario.run(world))
        await world.ship()
        done, _ = await asyncio.wait([breaking], timeout=BREAKER_SECONDS)
        if not done:
            breaking.cancel()


def outcome(name: str, world: World, scenario: Scenario, seconds: float) -> Outcome:
    """Put everything together that was seen."""
    verdict = world.oracle.verdict()
    said = world.any_server.log_text() if world.any_server is not None else ""
    if "Traceback" in said:
        at = said.index("Traceback")
        world.problems.append(f"a traceback in the server's log: {said[at : at + 1500]}")
    timeouts = sum(beat.timeouts for beat in world.beats)
    if timeouts and not scenario.is_wired:
        world.problems.append(f"{timeouts} times a Beat waited too long for an ack or keepalive")
    return Outcome(
        scenario=name,
        seed=world.seed,
        verdict=verdict,
        seconds=seconds,
        connections=sum(beat.connections for beat in world.beats),
        resent_events=sum(beat.resent_events for beat in world.beats),
        exit_code=world.exit_code,
        injected=dict(world.injected),
        problems=[*verdict.faults(may_double=scenario.may_double), *world.problems],
        notes=world.notes,
    )
