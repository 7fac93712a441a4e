"""The image under the hardening of `deploy/compose.yaml`, with the embedded store on its volume."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image.engine import Engine
from tests.image.stack import PASSWORDS, Stack
from tests.peers.compose_peer import load
from tests.support.modules import DEPLOY
from tests.torture.oracle import Oracle
from tests.torture.world import World

pytestmark = pytest.mark.timeout(1800)
USER = 10001
EVENTS = 20_000
SEED = 20261123


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service ``ptingest`` alone, healthy, with the embedded store for a sink."""
    folder = tmp_path_factory.mktemp("image")
    config = yaml.safe_load((DEPLOY / "ptingest.yaml").read_text(encoding="utf-8"))
    config["sinks"] = {"store": {}}
    (folder / "ptingest.yaml").write_text(yaml.safe_dump(config))
    folder.chmod(0o755)
    stack = Stack(engine, folder, config=folder / "ptingest.yaml")
    stack.up("--no-deps", "ptingest")
    stack.wait_until_healthy("ptingest")
    yield stack
    stack.compose("down", "--volumes")


@pytest.fixture(scope="module")
def service() -> Any:
    return load(DEPLOY / "compose.yaml", environ=PASSWORDS)["services"]["ptingest"]


def status(stack: Stack) -> dict[str, str]:
    """What the kernel says of the container's first process."""
    pid = stack.inspect("ptingest")["State"]["Pid"]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def seconds(text: str) -> float:
    """A moment as Docker writes it, with nine digits after the point."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", text)).timestamp()


def test_the_first_process_is_a_stranger_without_rights(stack: Stack) -> None:
    seen = status(stack)

    assert {*seen["Uid"].split(), *seen["Gid"].split()} == {str(USER)}
    assert {int(seen[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert seen["NoNewPrivs"] == "1"
    assert seen["Seccomp"] == "2"


def test_it_writes_to_its_volume_alone(stack: Stack) -> None:
    name = stack.container("ptingest")

    for folder in ("/", "/tmp", "/etc/ptingest", "/opt/ptingest"):
        assert stack.engine.refuses("exec", name, "touch", f"{folder}/new"), folder
    stack.engine.docker("exec", name, "touch", "/var/lib/ptingest/new")


def test_memory_and_processes_are_bounded(stack: Stack, service: Any) -> None:
    asked = stack.inspect("ptingest")["HostConfig"]
    name = stack.container("ptingest")
    shown = stack.engine.docker("stats", "--no-stream", "--format", "{{.MemUsage}}|{{.PIDs}}", name)
    used, processes = shown.strip().split("|")

    assert asked["Memory"] == int(service["mem_limit"])
    assert asked["PidsLimit"] == service["pids_limit"]
    assert used.endswith("/ 768MiB")
    print(f"at rest: {used.partition(' ')[0]}, {processes} processes and threads")


def test_it_starts_quickly_and_is_small(stack: Stack) -> None:
    started = seconds(stack.inspect("ptingest")["State"]["StartedAt"])
    (line,) = [at for at in stack.logs("ptingest").splitlines() if "listening for Beats" in at]
    sizes = [stack.engine.inspect(tag)["Size"] for tag in ("ptingest:0.1.0", base(stack))]

    print(f"listening {seconds(line.split()[0]) - started:.1f} s after its start")
    print(f"image {sizes[0] / 1e6:.0f} MB over a base of {sizes[1] / 1e6:.0f} MB")


def base(stack: Stack) -> str:
    labels = stack.engine.inspect("ptingest:0.1.0")["Config"]["Labels"]
    return str(labels["org.opencontainers.image.base.name"])


async def test_what_was_acked_is_stored_once_whatever_ends_the_container(
    stack: Stack, tmp_path: Path
) -> None:
    world = World(seed=SEED, events=EVENTS, folder=tmp_path, largest_window=500)
    stops: list[list[str]] = []

    async def end_it_often() -> None:
        await world.until_acked(0.2)
        stops.append(await asyncio.to_thread(stop_and_judge, stack, world.oracle))
        await asyncio.to_thread(stack.up, "--no-deps", "ptingest")
        for restarts, share in enumerate((0.4, 0.6, 0.8), start=1):
            await world.until_acked(share)
            stack.kill("ptingest")
            await asyncio.to_thread(stack.wait_until_healthy, "ptingest", restarts=restarts)

    with stack.engine.network():
        world.add_beats(5044, timeout_seconds=30)
        async with asyncio.timeout(900), asyncio.TaskGroup() as group:
            group.create_task(end_it_often())
            await world.ship()
    faults = await asyncio.to_thread(stop_and_judge, stack, world.oracle)

    assert world.oracle.acked_count == EVENTS
    assert (stops, faults) == ([[]], [])


def stop_and_judge(stack: Stack, oracle: Oracle) -> list[str]:
    """Stop the container with SIGTERM; return what is wrong with what it left."""
    began = time.monotonic()
    stack.compose("stop", "ptingest")
    took = time.monotonic() - began
    state = stack.inspect("ptingest")["State"]
    judge = oracle.with_nothing_found()
    letters = stack.judge_volume(judge)
    verdict = judge.verdict()
    print(f"its stop took {took:.1f} s: {verdict.acked} acked, {verdict.stored} stored")
    problems = [] if state["ExitCode"] == 0 else [f"it left with {state['ExitCode']}"]
    return [*problems, *letters, *verdict.faults()]
