"""The worker processes: started, looked after, and started again when they die.

    waiting --exec--> starting --START--> running --DRAIN or SIGTERM--> draining --> gone
       ^                  |                  |
       +---- backoff -----+-- died, silent --+

A worker is a fresh interpreter with two inherited sockets (control channel, hand-over) and
nothing else of ours. What it had counted stays counted when it is gone; its events in flight
are given back, since no ack for them left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, TypeVar

from ptingest.errors import (
    ChannelClosed,
    ChannelRefused,
    PtingestError,
    WorkersDidNotStart,
    WorkersRefusedConfig,
)
from ptingest.model.contracts import Clock
from ptingest.model.outcome import Fate
from ptingest.server.custody import SETTLED
from ptingest.server.process.signals import ending
from ptingest.telemetry.metrics import Metrics, Sample
from ptingest.telemetry.snapshots import merge, retire
from ptingest.workers.messages import (
    DRAIN,
    LOAD,
    LOOK,
    PREPARE,
    REPORT,
    START,
    SWAP,
    Config,
    Load,
    Report,
    Seen,
    Start,
)
from ptingest.workers.rpc import NOTHING, Channel, Question, open_channel
from ptingest.workers.spawn import launch

log = logging.getLogger(__name__)

Body = TypeVar("Body")
Answer = TypeVar("Answer")
State = Literal["waiting", "starting", "running", "draining"]

OUTSTANDING = "ptingest_lane_outstanding_events"
CONFIG_ERRORS = frozenset({"ConfigInvalid", "ConfigProblem", "TlsUnusable"})
"""What a worker says when it cannot use what the supervisor had found good."""
LAST_WORDS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits for what; seconds."""

    start: float = 60.0
    """From exec to a worker that takes connections; a loaded machine is slow at it."""
    silence: float = 20.0
    """A worker that says nothing for so long hangs, and is killed; it reports every second."""
    backoff_first: float = 0.25
    backoff_most: float = 15.0
    forget: float = 60.0
    """After running for so long a worker's earlier deaths are forgotten."""
    farewell: float = 5.0
    """What a worker may take to leave beyond its drain."""


@dataclass(slots=True)
class Slot:
    """One worker's place: who sits there now, and what is known of it."""

    number: int
    state: State = "waiting"
    process: asyncio.subprocess.Process | None = None
    channel: Channel | None = None
    pair: socket.socket | None = None
    """Our end of the hand-over."""
    config: Config | None = None
    """What it runs with."""
    connections: dict[int, str] = field(default_factory=dict)
    """Number of a connection -> address that counts against ``connections_per_ip``, or ""."""
    per_ip: Counter[str] = field(default_factory=Counter)
    events: int = 0
    events_lately: int = 0
    """Received between the last two reports."""
    is_accepting: bool = True
    samples: list[Sample] = field(default_factory=list)
    seen: Seen | None = None
    heard_at: float = 0.0
    started_at: float = 0.0
    restarts: int = 0
    last_end: str | None = None
    """How the one before ended."""
    next_start_at: float = 0.0

    @property
    def name(self) -> str:
        return f"worker {self.number}"

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    @property
    def is_there(self) -> bool:
        """Whether it can be asked something."""
        return self.state in ("running", "draining")

    @property
    def may_take(self) -> bool:
        """Whether connections may be handed to it now."""
        return self.state == "running" and self.is_accepting

    def take(self, number: int, ip: str) -> None:
        """A connection was handed over."""
        self.connections[number] = ip
        self.per_ip[ip] += 1

    def lose(self, number: int) -> None:
        """A connection is over."""
        ip = self.connections.pop(number, None)
        if ip is not None:
            self.per_ip[ip] -= 1
            if not self.per_ip[ip]:
                del self.per_ip[ip]

    def kill(self) -> None:
        """End it at once, as kill -9 would."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def clear(self) -> None:
        """Nobody sits here."""
        self.state, self.process, self.channel, self.config = "waiting", None, None, None
        if self.pair is not None:
            self.pair.close()
        self.pair, self.seen = None, None
        self.events = self.events_lately = 0
        self.is_accepting = True
        self.connections, self.per_ip, self.samples = {}, Counter(), []


class End(NamedTuple):
    """How one life of a worker ended."""

    text: str
    reason: Literal["died", "silent", "refused"] = "died"
    is_config: bool = False
    """It could not use its config."""


class Crew:
    """All workers; `run` keeps them going until `stop`."""

    def __init__(
        self,
        count: int,
        *,
        config: Callable[[], Config],
        drain_seconds: Callable[[], float],
        metrics: Metrics,
        clock: Clock,
        chance: random.Random,
        patience: Patience,
    ) -> None:
        """``config`` gives what is in force; it is the same object until it changes."""
        self.slots = [Slot(number) for number in range(1, count + 1)]
        self.retired: list[Sample] = []
        """What workers that are gone have counted."""
        self.is_up = asyncio.Event()
        """One worker at least has come up."""
        self.changed = asyncio.Event()
        """Set whenever somebody may be able to take a connection."""
        self.patience = patience
        self._config, self._drain_seconds = config, drain_seconds
        self._metrics, self._clock, self._chance = metrics, clock, chance
        self._first_ends: dict[int, End] = {}
        self._stopping = asyncio.Event()

    @property
    def running(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.state == "running"]

    async def run(self) -> None:
        """Start all and keep them going; returns when all have left after `stop`.

        Raises:
            WorkersDidNotStart: not one came up at the first try, with what the first said.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for slot in self.slots:
                    group.create_task(self._keep(slot), name=slot.name)
        finally:
            self.kill()

    def stop(self) -> None:
        """Start nobody any more."""
        self._stopping.set()

    def kill(self) -> None:
        """End all at once, as kill -9 would."""
        for slot in self.slots:
            slot.kill()

    # -- asking -----------------------------------------------------------------------------

    async def ask(
        self, slot: Slot, question: Question[Body, Answer], body: Body, *, seconds: float
    ) -> Answer | PtingestError:
        """Ask one worker; returns why there is no answer instead of raising it."""
        if slot.channel is None:
            return ChannelClosed(name=slot.name)
        try:
            answer = await slot.channel.ask(question, body, seconds=seconds)
        except TimeoutError:
            return ChannelRefused(kind="TimeoutError", text=f"no answer within {seconds:g} s")
        except (ChannelClosed, ChannelRefused) as error:
            return error
        slot.heard_at = self._clock.monotonic()
        return answer

    async def ask_all(
        self, question: Question[Body, Answer], body: Body, *, seconds: float
    ) -> dict[int, Answer | PtingestError]:
        """Ask every worker that is there at once; by number, the answer or why there is none."""
        answers: dict[int, Answer | PtingestError] = {}

        async def ask(slot: Slot) -> None:
            answer = await self.ask(slot, question, body, seconds=seconds)
            answers[slot.number] = answer

        await asyncio.gather(*(ask(slot) for slot in self.slots if slot.is_there))
        return answers

    async def drain(self) -> int:
        """Have all finish what they took; returns documents left unsettled.

        A worker that does not say in time what it left counts for what it had in flight.
        """
        self.stop()
        seconds = self._drain_seconds() + self.patience.farewell
        in_flight = {slot.number: in_flight_of(slot.samples) for slot in self.slots}
        for slot in self.slots:
            if slot.state == "starting":
                slot.kill()  # it has taken nothing yet
            elif slot.state == "running":
                slot.state = "draining"
        left = 0
        for number, answer in (await self.ask_all(DRAIN, NOTHING, seconds=seconds)).items():
            if isinstance(answer, PtingestError):
                log.warning("worker %d did not say what it left: %s", number, answer)
                left += in_flight[number]
            else:
                left += answer.left
        return left

    # -- one slot ---------------------------------------------------------------------------

    async def _keep(self, slot: Slot) -> None:
        """Have somebody sit there, one after the other, until we stop."""
        failures = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            pid, lost, end = await self._live(slot)
            if self._stopping.is_set():
                return
            self._judge_first(slot, end)
            ran = self._clock.monotonic() - began
            failures = 1 if ran >= self.patience.forget else failures + 1
            delay = self._backoff(failures)
            slot.last_end, slot.restarts = end.text, slot.restarts + 1
            slot.next_start_at = self._clock.monotonic() + delay
            self._metrics.add("ptingest_supervisor_restarts_total", 1, end.reason)
            log.error(
                "%s (pid %s) %s; %d connections are closed, their Beats come back; it is "
                "started again in %.1f s",
                slot.name, pid, end.text, lost, delay,
            )  # fmt: skip
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()

    def _judge_first(self, slot: Slot, end: End) -> None:
        """When nobody comes up at the first try something is wrong that time will not cure."""
        if self.is_up.is_set():
            return
        self._first_ends.setdefault(slot.number, end)
        if len(self._first_ends) == len(self.slots):
            first = next(iter(self._first_ends.values()))
            kind = WorkersRefusedConfig if first.is_config else WorkersDidNotStart
            raise kind(cause=first.text)

    def _backoff(self, failures: int) -> float:
        first, most = self.patience.backoff_first, self.patience.backoff_most
        doubled: float = first * 2 ** min(failures - 1, 20)
        return min(most, doubled) * (0.5 + self._chance.random() / 2)

    async def _live(self, slot: Slot) -> tuple[int | None, int, End]:
        """One life; returns the pid, how many connections were lost, and how it ended."""
        try:
            process, control, pair = await launch(drain_seconds=self._drain_seconds())
        except OSError as error:
            return None, 0, End(f"cannot be started: {error.strerror or error}")
        slot.process, slot.pair = process, pair  # first, so that it is ended in any case
        if self._stopping.is_set():
            slot.kill()  # told to stop while it was being started: it has taken nothing
        channel = await open_channel(control, name=slot.name)
        self.listen_to(slot, channel)
        slot.state, slot.channel = "starting", channel
        slot.started_at = slot.heard_at = self._clock.monotonic()
        talking = asyncio.create_task(channel.run(), name=f"{slot.name} control")
        try:
            end = await self._begin(slot, channel) or await self._watch(slot, process)
        finally:
            slot.kill()
            await process.wait()
            with contextlib.suppress(TimeoutError):  # the last report may still lie there
                async with asyncio.timeout(LAST_WORDS_SECONDS):
                    await talking
            channel.close()
            lost = len(slot.connections)
            self.retired = merge([self.retired, given_back(slot.samples)])
            slot.clear()
        if not end.text:
            end = end._replace(text=f"{ending(process.returncode)} before it had begun")
        return process.pid, lost, end

    async def _begin(self, slot: Slot, channel: Channel) -> End | None:
        """Give it its config; None when it runs."""
        config = self._config()
        start = Start(slot.number, len(self.slots), config)
        try:
            await channel.ask(START, start, seconds=self.patience.start)
            while config is not self._config():  # a reload meanwhile
                config = self._config()
                await channel.ask(PREPARE, config, seconds=self.patience.start)
                await channel.ask(SWAP, NOTHING, seconds=self.patience.start)
        except ChannelRefused as refusal:
            return End(refusal.text, "refused", refusal.kind in CONFIG_ERRORS)
        except ChannelClosed:
            return End("")
        except TimeoutError:
            return End(f"did not start within {self.patience.start:g} s", "silent")
        slot.config, slot.heard_at = config, self._clock.monotonic()
        # It may have been told to leave meanwhile.
        slot.state = "running" if slot.state == "starting" else slot.state
        self.is_up.set()
        self.changed.set()
        return None

    async def _watch(self, slot: Slot, process: asyncio.subprocess.Process) -> End:
        """Return when it has ended, or hangs and was killed."""
        ended = asyncio.create_task(process.wait())
        try:
            while True:
                done, _ = await asyncio.wait([ended], timeout=self.patience.silence / 4)
                if done:
                    return End(ending(process.returncode))
                if self._clock.monotonic() - slot.heard_at > self.patience.silence:
                    # We may be the ones who slept: ask before we judge.
                    answer = await self.ask(slot, LOOK, NOTHING, seconds=self.patience.silence / 4)
                    if isinstance(answer, PtingestError) and process.returncode is None:
                        text = f"said nothing for {self.patience.silence:g} s and was killed"
                        return End(text, "silent")
        finally:
            ended.cancel()

    # -- what workers tell ------------------------------------------------------------------

    def listen_to(self, slot: Slot, channel: Channel) -> None:
        """Note whatever the worker at this channel tells."""
        channel.hears(LOAD, partial(self._hear_load, slot))
        channel.hears(REPORT, partial(self._hear_report, slot))

    def _hear_load(self, slot: Slot, load: Load) -> None:
        slot.heard_at = self._clock.monotonic()
        slot.is_accepting = load.is_accepting
        slot.events = load.events
        for number in load.left:
            slot.lose(number)
        if load.is_draining:
            slot.state = "draining"
        self.changed.set()

    def _hear_report(self, slot: Slot, report: Report) -> None:
        slot.events_lately = report.load.events - slot.events
        self._hear_load(slot, report.load)
        slot.samples = report.samples


def in_flight_of(samples: list[Sample]) -> int:
    """Documents a worker had in flight, by its last report; of several sinks the most."""
    by_sink: Counter[str] = Counter()
    for sample in samples:
        if sample.name == OUTSTANDING:
            by_sink[sample.labels[0]] += int(sample.values[0])
    return max(by_sink.values(), default=0)


def given_back(samples: list[Sample]) -> list[Sample]:
    """What stays of a worker that is gone: its counters, and what it had in flight as given
    back, so that the books still balance."""
    lost = [
        Sample(SETTLED, (*sample.labels, Fate.GIVEN_BACK), sample.values)
        for sample in samples
        if sample.name == OUTSTANDING and sample.values[0]
    ]
    return merge([retire(samples), lost])
