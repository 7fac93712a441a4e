"""What one peer, event or request does to everybody else: an attack, and another Beat beside it.

    python -m tests.torture.noisy_neighbour              every attack, by the promised limits
    python -m tests.torture.noisy_neighbour unfinished_frames

An attack gets a running server with default limits, does its worst and returns. Meanwhile a
Beat from another address sends one small window after another, and ``/livez`` is asked over
new connections. Then the attack ends, the server must be ready, and leave when told to. What
is measured stands in ``Observed``; ``broken_promises`` compares it with what is promised.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from ptingest.lumberjack.frames import encode_window
from tests.fakes.costly_events import SHAPES
from tests.support.server_process import ServerProcess
from tests.torture import unfinished

MIB = 1 << 20
LARGE = 15 * MIB
"""Of an event: nearly ``beats.limits.event_bytes``."""
COSTLY = ("pipes", "message_of_floats", "service_of_floats", "lone_surrogates", "wide", "tags")
"""Shapes that cost most for their size."""
TOTAL_BYTES = 128 * MIB
"""The default of ``beats.limits.total_bytes``."""
MEMORY_BYTES = TOTAL_BYTES + 256 * MIB
PROMISED_LAG_SECONDS = 1.0
READY_SECONDS = 10.0
STOP_SECONDS = 15.0
"""``drain_seconds`` of the server below, and what leaving takes on a busy machine."""
PAUSE_SECONDS = 0.05
ALONE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""How long a measurement waits for an answer before it counts as none."""
BYSTANDER = "127.77.0.1"
ATTACKER = "127.66.0.1"

Attack = Callable[[ServerProcess], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Observed:
    """What the others noticed of an attack; seconds are the longest of all tries."""

    ack_seconds_alone: float
    ack_seconds: float
    livez_seconds: float
    rss_peak_mib: int
    ready_after_seconds: float
    stop_seconds: float
    exit_code: int
    has_traceback: bool

    def broken_promises(self, *, lag_seconds: float = PROMISED_LAG_SECONDS) -> list[str]:
        """Return what does not hold; ``lag_seconds`` is larger on a machine that does more."""
        held = {
            "another Beat's ack came late": self.ack_seconds
            <= self.ack_seconds_alone + lag_seconds,
            "/livez answered late": self.livez_seconds <= lag_seconds,
            "more memory than promised": self.rss_peak_mib <= MEMORY_BYTES // MIB,
            "not ready afterwards": self.ready_after_seconds <= READY_SECONDS,
            "SIGTERM was not obeyed": self.stop_seconds <= STOP_SECONDS and self.exit_code == 0,
            "a traceback in the log": not self.has_traceback,
        }
        return [broken for broken, holds in held.items() if not holds]


async def observe(
    folder: Path, attack: Attack, config: Mapping[str, Any] | None = None
) -> Observed:
    """Run one attack against a server of its own; the embedded store unless ``config`` says."""
    if isinstance(attack, EventsOf):
        attack.prepare()
    server = ServerProcess(folder, {"drain_seconds": 5, **(config or {})})
    try:
        await server.start()
        bystander, prober = Bystander(server), Prober(server)
        async with _running(bystander.ship()):
            await asyncio.sleep(ALONE_SECONDS)  # no race: measures what is usual
            alone, bystander.longest = bystander.longest, 0.0
            async with _running(prober.ask()):
                await attack(server)
                await bystander.is_answered()
                await prober.is_answered()
        ready = await _seconds_until_ready(server)
        peak = server.rss_bytes()[1]
        began = time.monotonic()
        code = await server.stop()
    finally:
        server.discard()
    return Observed(
        ack_seconds_alone=round(alone, 2),
        ack_seconds=round(bystander.longest, 2),
        livez_seconds=round(prober.longest, 2),
        rss_peak_mib=peak // MIB,
        ready_after_seconds=round(ready, 2),
        stop_seconds=round(time.monotonic() - began, 2),
        exit_code=code,
        has_traceback="Traceback" in server.log_text(),
    )


class _Timed:
    """The longest of many waits, the one under way included."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._answers = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def _timing(self) -> AsyncIterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        async with self._answers:
            self._answers.notify_all()

    async def is_answered(self) -> None:
        """Return after the second answer from now on: the first was asked for before."""
        for _ in range(2):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS), self._answers:
                    await self._answers.wait()


class Bystander(_Timed):
    """A Beat that sends one small window after another and measures each ack."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__()
        self._port = server.port

    async def ship(self) -> None:
        """Send until cancelled; a connection that is closed is opened again, within the time."""
        number = 0
        while True:
            with contextlib.suppress(OSError, EOFError):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._port, local_addr=(BYSTANDER, 0)
                )
                with contextlib.closing(writer):
                    while True:
                        number += 1
                        async with self._timing():
                            writer.write(encode_window([event(offset=number)], 1, 3, 2))
                            while int.from_bytes((await reader.readexactly(6))[2:], "big") != 1:
                                pass
                        await asyncio.sleep(PAUSE_SECONDS)  # no race: how often it sends
            await asyncio.sleep(PAUSE_SECONDS)  # no race: how often it connects


class Prober(_Timed):
    """Asks ``/livez`` as a container's health check does: a connection for each question."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__()
        self._port = server.api_port

    async def ask(self) -> None:
        """Ask until cancelled; no connection at all counts as an answer that is late."""
        while True:
            async with self._timing():
                while await http_status(self._port, "/livez") != 200:
                    await asyncio.sleep(PAUSE_SECONDS)  # no race: how often it asks
            await asyncio.sleep(PAUSE_SECONDS)  # no race: how often it asks


def event(*, offset: int = 1, agent: str = "bystander", **more: object) -> bytes:
    """One event as Filebeat sends it."""
    members = {
        "@timestamp": "2025-01-02T03:04:05.678Z",
        "group": "pt",
        "service": "django",
        "message": "INFO|apps.x|2025-01-02T03:04:05.678|hello",
        "agent": {"id": agent, "type": "filebeat", "version": "8.19.0"},
        "host": {"name": "h"},
        "log": {"offset": offset, "file": {"path": "/x.log", "device_id": "1", "inode": "2"}},
        **more,
    }
    return json.dumps(members).encode()


async def http_status(port: int, path: str) -> int | None:
    """Return the status of one GET; None when there is no answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    with contextlib.closing(writer):
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return int((await reader.readline()).split()[1])
        except (OSError, IndexError, ValueError):
            return None


async def _seconds_until_ready(server: ServerProcess) -> float:
    began = time.monotonic()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3 * READY_SECONDS):
            while await http_status(server.api_port, "/readyz") != 200:
                await asyncio.sleep(PAUSE_SECONDS)  # no race: looks until it is so
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()  # it runs until cancelled, so it failed


# -- the attacks -----------------------------------------------------------------------------


async def attacker(server: ServerProcess) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the Beats port from the attacker's address."""
    return await asyncio.open_connection("127.0.0.1", server.port, local_addr=(ATTACKER, 0))


@dataclass
class EventsOf:
    """Send costly events, each in a window and over a connection of its own, all at once, and
    wait for their acks or the end."""

    name: str
    size: int
    count: int = 1
    wire: bytes = b""

    def prepare(self) -> None:
        """Make one: it takes seconds, in which nobody could measure anything."""
        event = SHAPES[self.name.replace("_", " ")](self.size)
        self.wire = encode_window([event], 1, 9, 2)

    async def __call__(self, server: ServerProcess) -> None:
        assert self.wire, "not prepared"
        await asyncio.gather(*(_send(server, self.wire) for _ in range(self.count)))


async def _send(server: ServerProcess, wire: bytes) -> None:
    with contextlib.suppress(OSError, EOFError, TimeoutError):
        reader, writer = await attacker(server)
        with contextlib.closing(writer):
            async with asyncio.timeout(PATIENCE_SECONDS):
                writer.write(wire)
                while int.from_bytes((await reader.readexactly(6))[2:], "big") != 1:
                    pass


async def quiet(server: ServerProcess) -> None:
    """Do nothing: what the harness itself measures on this machine."""
    del server
    await asyncio.sleep(ALONE_SECONDS)  # no race: it measures what is usual


ATTACKS: dict[str, Attack] = {
    "quiet": quiet,
    **unfinished.ATTACKS,
    **{f"event_of_{name}": EventsOf(name, LARGE) for name in COSTLY},
    "many_large_events": EventsOf("message_of_exponents", LARGE, 12),
    "event_beyond_the_limit": EventsOf("control_characters", 10 * MIB),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Attack a server, and see what others notice.")
    parser.add_argument("attack", nargs="*", help=f"all by default: {', '.join(ATTACKS)}")
    for name in parser.parse_args(arguments).attack or ATTACKS:
        with tempfile.TemporaryDirectory(prefix="ptingest-neighbour-") as folder:
            observed = uvloop.run(observe(Path(folder), ATTACKS[name]))
        broken = observed.broken_promises()
        print(json.dumps({"attack": name, "broken": broken, **asdict(observed)}), flush=True)


if __name__ == "__main__":
    main()
