"""Torture a server and say what it lost.

    python -m tests.torture --events 100000 --seed 7          every scenario
    python -m tests.torture --scenario 'kill -9' --seed 7     one of them, replayed
    python -m tests.torture --list
    python -m tests.torture --server 127.0.0.1:5044 --elasticsearch http://127.0.0.1:9200
    python -m tests.torture --command '{python} -m tests.peers.camel_peer {port} {elasticsearch}'

The last two judge any server that takes Beats, one that runs or one that is started before an
Elasticsearch of its own ({config} would be a config of ours for that), by what lies in there
afterwards: through a bad wire (``--good-wire``: a good one), with ``--poison`` among the events
one that the template ``pt-logs`` of tests/peers does not take. Their process is left alone.

Exit code 0: nothing lost, doubled, corrupt or invented, and all books balanced.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

import uvloop

from benchmarks.processes import free_port, server, write_config
from tests.torture.buffered import BUFFERED, run_buffered
from tests.torture.runs import real_node, run, run_foreign
from tests.torture.scenarios import SCENARIOS
from tests.torture.world import Outcome


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Torture a server and say what it lost.")
    parser.add_argument("--events", type=int, default=20_000, help="in each scenario")
    parser.add_argument("--seed", type=int, help="replays a run; a new one by default")
    parser.add_argument("--scenario", action="append", help="run only this; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the scenarios and leave")
    parser.add_argument("--json", action="store_true", help="one line of JSON a scenario")
    parser.add_argument("--server", help="judge this one, HOST:PORT, instead of our own")
    parser.add_argument("--command", help="start this one, and an Elasticsearch for it")
    parser.add_argument("--elasticsearch", help="where that server writes, http://HOST:PORT")
    parser.add_argument("--indices", default="logs-*", help="where its documents are")
    parser.add_argument("--good-wire", action="store_true", help="do not cut its connections")
    parser.add_argument("--may-double", action="store_true", help="count doubles, fail for none")
    parser.add_argument("--poison", action="store_true", help="one event that pt-logs refuses")
    given = parser.parse_args()
    for name in given.scenario or ():
        if name not in SCENARIOS and name not in BUFFERED:
            parser.error(f"there is no scenario {name!r}; --list names them all")
    if (given.server is None) != (given.elasticsearch is None):
        parser.error("--server and --elasticsearch belong together")
    if given.server is not None and given.command is not None:
        parser.error("--server runs already, --command starts one: give one of them")
    return given


def line_of(outcome: Outcome) -> str:
    """One row of the table."""
    verdict = outcome.verdict
    faults = sum(outcome.injected.values())
    return (
        f"{'FAILED' if outcome.problems else 'passed'}  {outcome.scenario:<34} "
        f"{verdict.events:>9,} {faults:>6} {len(verdict.lost):>5} {len(verdict.doubled):>7} "
        f"{len(verdict.corrupt):>7} {len(verdict.invented):>8} {verdict.dead_lettered:>8,} "
        f"{outcome.resent_events:>9,} {outcome.seconds:>7.1f} s"
    )


HEAD = (
    f"{'':<8}{'scenario':<34} {'events':>9} {'faults':>6} {'lost':>5} {'doubled':>7} "
    f"{'corrupt':>7} {'invented':>8} {'letters':>8} {'resent':>9} {'time':>9}"
)


def replay_of(outcome: Outcome) -> str:
    return (
        f"python -m tests.torture --scenario '{outcome.scenario}' "
        f"--events {outcome.verdict.events} --seed {outcome.seed}"
    )


def say(outcome: Outcome, folder: Path, *, as_json: bool) -> bool:
    """Print what a run came to; returns whether it passed."""
    print(json.dumps(asdict(outcome)) if as_json else line_of(outcome), flush=True)
    if not outcome.problems:
        shutil.rmtree(folder)
        return True
    for problem in outcome.problems:
        print(f"        {problem}", file=sys.stderr)
    print(f"        replay: {replay_of(outcome)}\n        log: {folder}", file=sys.stderr)
    return False


async def torture(names: list[str], *, events: int, seed: int, as_json: bool) -> bool:
    """Run scenarios one after the other; returns whether all passed."""
    all_passed = True
    for name in names:
        folder = Path(tempfile.mkdtemp(prefix="ptingest-torture-"))
        runs = run_buffered if name in BUFFERED else run
        outcome = await runs(name, events=events, seed=seed, folder=folder)
        all_passed &= say(outcome, folder, as_json=as_json)
    return all_passed


async def torture_foreign(given: argparse.Namespace, seed: int) -> bool:
    """Judge somebody else's server; returns whether it passed."""
    folder = Path(tempfile.mkdtemp(prefix="ptingest-torture-"))
    with started(given.command, folder) if given.command else nullcontext(given) as place:
        host, _, port = place.server.rpartition(":")
        outcome = await run_foreign(
            host=host,
            port=int(port),
            elasticsearch=place.elasticsearch,
            indices=given.indices,
            events=given.events,
            seed=seed,
            folder=folder,
            is_wired=not given.good_wire,
            may_double=given.may_double,
            is_poisoned=given.poison,
        )
    return say(outcome, folder, as_json=given.json)


@contextmanager
def started(command: str, folder: Path) -> Iterator[argparse.Namespace]:
    """Run a server before an Elasticsearch that has the template; both are new."""
    node = real_node(folder)
    try:
        port = free_port()
        sinks = {"elasticsearch": {"hosts": [node.url]}}
        config = write_config(folder, port=port, sinks=sinks)
        with server(port=port, config=config, command=command, elasticsearch=node.url, seconds=90):
            yield argparse.Namespace(server=f"127.0.0.1:{port}", elasticsearch=node.url)
    finally:
        node.kill()


def main() -> None:
    given = parse_arguments()
    if given.list:
        print("\n".join([*SCENARIOS, *BUFFERED]))
        return
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    if not given.json:
        print(f"seed {seed}\n{HEAD}", flush=True)
    if given.server is not None or given.command is not None:
        work = torture_foreign(given, seed)
    else:
        names = given.scenario or [*SCENARIOS, *BUFFERED]
        work = torture(names, events=given.events, seed=seed, as_json=given.json)
    sys.exit(0 if uvloop.run(work) else 1)


if __name__ == "__main__":
    main()
