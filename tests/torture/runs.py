"""Runs one scenario to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from tests.fakes.bad_wire import BadWire
from tests.torture.scenarios import SCENARIOS, Scenario
from tests.torture.servers import ServerProcess
from tests.torture.world import (
    Outcome,
    Stopwatch,
    World,
    elasticsearch_config,
    lane_config,
)

LEAST_EVENTS_A_SECOND = 500
"""Slower than this, faults included, is a stall and a failure."""
BREAKER_SECONDS = 5.0
"""How long a scenario may go on after everything is acked."""


async def run(name: str, *, events: int, seed: int, folder: Path) -> Outcome:
    """Run one scenario of the table from one seed."""
    scenario = SCENARIOS[name]
    largest_window = max(20, min(2048, events // 100))
    world = World(seed=seed, events=events, folder=folder, largest_window=largest_window)
    watch = Stopwatch()
    exit_code = None
    async with surroundings(world, scenario) as sinks:
        world.server = ServerProcess(folder, {"sinks": sinks, **scenario.config})
        try:
            await world.server.start()
            await ship_and_break(world, scenario)
            await world.heal()
            await world.come_to_rest()
            exit_code = await world.server.stop()
            if exit_code != 0:
                world.problems.append(f"after everything was acked it left with {exit_code}")
        finally:
            world.server.discard()
        world.judge_own_places()
    return outcome(name, world, scenario, watch.seconds, exit_code)


@contextlib.asynccontextmanager
async def surroundings(world: World, scenario: Scenario) -> AsyncIterator[Mapping[str, Any]]:
    """Start what stands behind the server; gives the config's ``sinks``."""
    if scenario.sink == "store":
        yield {"store": lane_config()}
        return
    async with world.fake:
        yield {"elasticsearch": elasticsearch_config(world.fake.url, ids=scenario.ids)}


async def ship_and_break(world: World, scenario: Scenario) -> None:
    """Ship everything while the scenario does its worst."""
    async with contextlib.AsyncExitStack() as stack:
        port = world.server.port
        if scenario.is_wired:
            world.wire = await stack.enter_async_context(BadWire(port, lambda: world.weather))
            port = world.wire.port
        world.add_beats(port, timeout_seconds=scenario.beat_seconds)
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


def outcome(
    name: str, world: World, scenario: Scenario, seconds: float, exit_code: int | None
) -> Outcome:
    """Put everything together that was seen."""
    verdict = world.oracle.verdict()
    said = world.server.log_text()
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
        exit_code=exit_code,
        injected=dict(world.injected),
        problems=[*verdict.faults(may_double=scenario.may_double), *world.problems],
        notes=world.notes,
    )
