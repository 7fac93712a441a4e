"""Two workers against one, each with the same part of a core.

A machine with as many busy processes as cores shows what its cores are shared for, not what
workers are worth. Here each worker gets a fixed part of a core (`benchmarks.core_share`), so
that what is left is free for the sender, which replays windows compressed before
(`benchmarks.replay`), and for the null Elasticsearch. Three legs, in turns:

    one     one worker with one share
    two     two workers, each with such a share, behind their supervisor, which is not limited
    apart   two servers of one worker each, with nothing in common but the sink

What two bring more than one, and what an event costs, is told pair by pair. `apart` is what
the machine makes of two processes that know nothing of each other: what `two` does not reach
of it, our sharing takes. `used` is how much of its share a worker took: near 100 % it waited
for nothing else.

    python -m benchmarks.workers [--share 40] [--pairs 7] [--json]
    python -m benchmarks.workers --instructions

Where the kernel gives no quotas, the same is measured without, which is said. With
``--instructions`` callgrind counts what one and two workers need for an event, all their
processes together, and no share, neighbour or cache has a say in it (nor has the kernel's
work). Under callgrind a second holds fifty times fewer events, so what is done each second
or tick, however little happens, weighs fifty times too much: it is counted once more while
nothing comes, and told apart.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks import instructions, processes
from benchmarks.core_share import CoreShare, NoShares, Throttled, come_first, core_share
from benchmarks.measure import Runs, append_history, machine
from benchmarks.replay import Replayed, Window, prepare, replay

UP_SECONDS = 60.0
COUNT_SECONDS = 300.0
"""A start under callgrind, on a machine that has other work."""
IDLE_SECONDS = 10.0
CONNECTIONS = 2
"""For each worker, with three windows on the wire each: a worker's load is the same in all
legs, or two with half as much each would be cheaper for being less full."""
WARM_UP = 12
"""Windows acked before anything is measured."""


class Leg(NamedTuple):
    """So many servers of so many workers each."""

    name: str
    servers: int
    workers: int

    @property
    def processes(self) -> int:
        return self.servers * self.workers


LEGS = (Leg("one", 1, 1), Leg("two", 1, 2), Leg("apart", 2, 1))


class Measured(NamedTuple):
    """What one leg showed once."""

    events_per_second: float
    cpu_us: float
    """Of all processes of the servers, an event."""
    supervisor_us: float
    """The part of it that no worker took."""
    sender_us: float
    sink_us: float
    used: float
    """Part of its share that a worker took, 0 to 1; nan without shares."""
    used_up: float
    """Part of the kernel's periods in which a worker had used up its share; nan without."""
    documents_a_bulk: float


class Started(NamedTuple):
    """One server that takes connections."""

    port: int
    pid: int
    workers: list[int]
    """Process ids of those who do the work."""

    @property
    def supervisor(self) -> int | None:
        """Its process, where there is one."""
        return None if self.workers == [self.pid] else self.pid


class Look(NamedTuple):
    """Processor seconds so far."""

    supervisors: float
    workers: float
    sender: float
    sink: float
    throttled: list[Throttled]


@contextmanager
def started(
    folder: Path, sink: int, workers: int, *, counted: Path | None = None
) -> Iterator[Started]:
    """Run a server until all its workers are up.

    ``counted``: under callgrind, whose dumps go there. Bulks then wait fifty times as long for
    company, so that they become as large as they are in life.
    """
    port, batch = processes.free_port(), {"max_age_seconds": 5.0} if counted else {}
    sinks = {"elasticsearch": {"hosts": [f"http://127.0.0.1:{sink}"], "batch": batch}}
    config = processes.write_config(folder, port=port, sinks=sinks, workers=workers)
    api = json.loads(config.read_text(encoding="utf-8"))["api"]["listen"]
    command, seconds = None, 30.0
    if counted is not None:
        words = [*processes.SERVER, "--config", str(config)]
        command = shlex.join(instructions.under_callgrind(counted, words, children=True))
        seconds = COUNT_SECONDS
    with processes.server(port=port, config=config, command=command, seconds=seconds) as server:
        pids = [server.pid] if workers == 1 else _pids_of_workers(api, workers)
        yield Started(port, server.pid, pids)


def _pids_of_workers(api: str, workers: int) -> list[int]:
    until = time.monotonic() + UP_SECONDS
    while time.monotonic() < until:
        with suppress(URLError), urlopen(f"http://{api}/status", timeout=10) as answer:
            rows = json.load(answer)["workers"]
            if [row["state"] for row in rows] == ["running"] * workers:
                return [row["pid"] for row in rows]
        time.sleep(0.1)
    raise processes.DidNotStart(f"not all of {workers} workers run after {UP_SECONDS:g} s")


def run_leg(leg: Leg, windows: Sequence[Window], share: float | None) -> Measured:
    """Start everything, measure one replay, and end everything.

    Raises:
        NoShares: there was to be a ``share``, and there are none.
        NotAcked: the server did not ack everything.
        ValueError: what was acked did not arrive once.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ptingest-bench-")))
        sink = stack.enter_context(processes.null_elasticsearch())
        # Before the servers, since they must have left when their group goes.
        names = [str(number) for number in range(leg.processes if share else 0)]
        groups = [stack.enter_context(core_share(name, share or 0.0)) for name in names]
        servers = []
        for number in range(leg.servers):
            (folder := root / str(number)).mkdir()
            servers.append(stack.enter_context(started(folder, sink.port, leg.workers)))
        time.sleep(1.0)  # what is imported late is imported
        pids = [pid for server in servers for pid in server.workers]
        for group, pid in zip(groups, pids if groups else (), strict=True):
            group.add(pid)
        done = replay(
            [server.port for server in servers],
            windows,
            look=lambda: _look(servers, pids, sink.pid, groups),
            warm_up=WARM_UP,
            connections=CONNECTIONS * leg.processes,
        )
        counts = processes.null_counts(sink.port)
    if counts["documents"] != done.events:
        raise ValueError(f"{done.events} events acked, {counts['documents']} documents arrived")
    bulk = counts["documents"] / counts["requests"]
    return _measured(done, share, bulk)


def _look(
    servers: Sequence[Started], pids: Sequence[int], sink: int, groups: Sequence[CoreShare]
) -> Look:
    own = processes.exact_cpu_seconds_of
    return Look(
        sum(own(server.supervisor) for server in servers if server.supervisor),
        sum(map(own, pids)),
        time.process_time(),
        own(sink),
        [group.throttled() for group in groups],
    )


def _measured(done: Replayed[Look], share: float | None, documents_a_bulk: float) -> Measured:
    events, seconds = done.events_between, done.end.at - done.begin.at
    before, after = done.begin.look, done.end.look
    workers, supervisors = after.workers - before.workers, after.supervisors - before.supervisors
    parts = [
        late.since(early) for early, late in zip(before.throttled, after.throttled, strict=True)
    ]
    return Measured(
        done.events_per_second,
        (workers + supervisors) * 1e6 / events,
        supervisors * 1e6 / events,
        (after.sender - before.sender) * 1e6 / events,
        (after.sink - before.sink) * 1e6 / events,
        workers / seconds / share / len(parts) if share and parts else math.nan,
        statistics.mean(parts) if parts else math.nan,
        documents_a_bulk,
    )


def run_pairs(
    windows: Sequence[Window], share: float | None, *, pairs: int, legs: Sequence[Leg] = LEGS
) -> dict[str, list[Measured]]:
    """Each leg so many times, in turns, so that a slow minute is everybody's."""
    found: dict[str, list[Measured]] = {leg.name: [] for leg in legs}
    for number in range(pairs):
        for leg in legs if number % 2 == 0 else tuple(reversed(legs)):
            measured = run_leg(leg, windows, share)
            found[leg.name].append(measured)
    return found


def ratios(found: dict[str, list[Measured]], figure: str, of: str) -> Runs:
    """How often ``one``'s figure lies in that of the leg ``of``, pair by pair."""
    pairs = zip(found["one"], found[of], strict=True)
    return Runs.of([getattr(late, figure) / getattr(early, figure) for early, late in pairs])


def record_of(
    found: dict[str, list[Measured]], share: float | None, windows: Sequence[Window]
) -> dict[str, object]:
    """Everything for the history and for ``--json``."""
    columns = {
        leg: {
            name: Runs.of([getattr(one, name) for one in measured]).as_json()
            for name in Measured._fields
            if share or not name.startswith("used")
        }
        for leg, measured in found.items()
    }
    times = {
        leg: {figure: ratios(found, figure, leg).as_json() for figure in FIGURES}
        for leg in found
        if leg != "one"
    }
    return {
        "share": share,
        "events": sum(window.events for window in windows),
        "times_one": times,
        **columns,
    }


FIGURES = ("events_per_second", "cpu_us")


def table(found: dict[str, list[Measured]]) -> str:
    """A row for each leg, medians, and what it is of one worker, pair by pair."""
    lines = [
        "| leg | events/s | CPU us an event | of it supervisor | sender, sink us | used, used up "
        "| documents a bulk | x rate (from to) | x CPU (from to) |",
        "|" + "---|" * 9,
    ]
    for leg, measured in found.items():
        m = Measured(*(statistics.median(column) for column in zip(*measured, strict=True)))
        beside = " | "
        if leg != "one":
            beside = " | ".join(_times(ratios(found, figure, leg)) for figure in FIGURES)
        lines.append(
            f"| {leg} | {m.events_per_second:,.0f} | {m.cpu_us:.1f} | {m.supervisor_us:.2f} "
            f"| {m.sender_us:.1f}, {m.sink_us:.1f} | {m.used:.0%}, {m.used_up:.0%} "
            f"| {m.documents_a_bulk:,.0f} | {beside} |"
        )
    return "\n".join(lines)


def _times(runs: Runs) -> str:
    return f"{runs.median:.2f} ({runs.best:.2f} to {runs.worst:.2f})"


class Counted(NamedTuple):
    """Instructions an event in user space, of all processes of a server."""

    workers: int
    events: int
    everything: float
    """Under callgrind, what time brings included."""
    by_time: float
    """What the same processes did in the same time while nothing came."""
    documents_a_bulk: float

    @property
    def for_events(self) -> float:
        return self.everything - self.by_time


def count_instructions(
    workers: int, *, events: int = 16_384, batch: int = 1_024, idle: float = IDLE_SECONDS
) -> Counted:
    """Count one server with so many workers; takes some minutes, and needs callgrind."""
    warm_up, windows = prepare(3_072, 2, batch=256), prepare(events, 1, batch=batch)
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ptingest-bench-")))
        sink = stack.enter_context(processes.null_elasticsearch())
        server = stack.enter_context(started(root, sink.port, workers, counted=root / "out.%p"))
        pids = [*([server.supervisor] if server.supervisor else []), *server.workers]

        def send(windows: Sequence[Window]) -> int:
            done = replay([server.port], windows, look=lambda: None, warm_up=1, on_wire=2)
            return done.events

        def dump() -> float:
            for pid in pids:
                instructions.dump(pid)
            return time.monotonic()

        send(warm_up)
        for pid in pids:
            instructions.switch(pid, on=True)
        send(warm_up)  # once more, so that everything is translated for counting
        before, began = processes.null_counts(sink.port), dump()
        sent = send(windows)
        ended, after = dump(), processes.null_counts(sink.port)
        time.sleep(idle)
        woke = dump()
        loaded, rested = (
            sum(instructions.summary(root / f"out.{pid}.{number}") for pid in pids)
            for number in (2, 3)
        )
    bulks = after["requests"] - before["requests"]
    by_time = rested / (woke - ended) * (ended - began)
    return Counted(workers, sent, loaded / sent, by_time / sent, sent / bulks)


def _show_instructions(*, as_json: bool) -> None:
    if not instructions.is_callgrind_here():
        raise SystemExit("counting instructions needs valgrind")
    one, two = (count_instructions(workers) for workers in (1, 2))
    record = {
        "instructions_an_event": {
            f"workers {counted.workers}": {**counted._asdict(), "for_events": counted.for_events}
            for counted in (one, two)
        },
        "times_one": two.for_events / one.for_events,
    }
    append_history("instructions workers", dict(record))
    if as_json:
        print(json.dumps({**machine(), **record}))
        return
    for counted in (one, two):
        print(
            f"workers {counted.workers}: {counted.for_events:,.0f} instructions an event, and "
            f"{counted.by_time:,.0f} by the clock (under callgrind), "
            f"{counted.documents_a_bulk:,.0f} documents a bulk"
        )
    print(f"two workers need {two.for_events / one.for_events:.3f} times what one needs")


def main() -> None:
    parser = argparse.ArgumentParser(description="Two workers against one.")
    parser.add_argument("--share", type=int, default=40, help="percent of a core for a worker")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--events", type=int, default=122_880)
    parser.add_argument(
        "--instructions", action="store_true", help="count instead (callgrind; some minutes)"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.instructions:
        _show_instructions(as_json=given.json)
        return
    if not 20 <= given.share <= 100:  # the kernel's least is a millisecond in a period
        parser.error(f"--share is {given.share}, must be 20 to 100")
    share: float | None = given.share / 100
    windows = prepare(given.events, 1)
    come_first()
    try:
        with core_share("try", given.share / 100):
            pass
    except NoShares as error:
        print(f"{error}: measured without, so cores are free only where there are", file=sys.stderr)
        share = None
    found = run_pairs(windows, share, pairs=given.pairs)
    record = record_of(found, share, windows)
    append_history("workers", dict(record))
    print(json.dumps({**machine(), **record}) if given.json else table(found))


if __name__ == "__main__":
    main()
