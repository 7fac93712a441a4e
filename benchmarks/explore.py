"""What looking into a store of a million documents costs: each query, each page.

The documents are the corpus's, through the product's pipeline and its store, as many a second
as a week of them makes. Filling takes about two minutes and is done once: the file is kept
where `--store` says. Every row is asked `--runs` times; `cold` is the first time after the
file was dropped from the system's cache. Pages come from a server of their own, over HTTP.

    python -m benchmarks.explore --store /tmp/million.sqlite [--documents 1000000] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks import corpus, processes
from benchmarks.measure import append_history, machine
from ptingest.api.console.explore_values import EXAMPLES
from ptingest.model.explore import View
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.server.process.clock import SystemClock
from ptingest.settings.load import load_profile
from ptingest.settings.sinks import StoreSettings
from ptingest.sinks.store.read import completion
from ptingest.sinks.store.read.context import context_of
from ptingest.sinks.store.read.explore import ExploreReader
from ptingest.sinks.store.sink import StoreSink

BATCH = 4096
SPAN = timedelta(days=7)
COUNT_SECONDS = 1.0
"""As the console counts before it says `at least`."""
QUERIES = (
    "",
    *EXAMPLES,
    "logger_name:nothing",
    "parcel",
    '"carrier said no" and log_level:ERROR',
    "PT0123456789PL",
    "host.name:pt-app-1",
)


class Took(NamedTuple):
    """Milliseconds of one row, and what it found; ``cpu`` is processor time."""

    cpu: float
    cold: float
    p50: float
    p95: float
    note: str


async def fill(path: Path, count: int, *, seed: int = 1) -> None:
    """Store ``count`` documents of the week that ends now."""
    pipeline = compile_profile(load_profile(packaged_profile_path(), os.environ))
    sink = StoreSink(StoreSettings(), path=path, clock=SystemClock())
    start = datetime.now(UTC) - SPAN
    events = corpus.stream(count, seed, start=start, span=SPAN, run=4)
    while payloads := list(islice(events, BATCH)):
        receipt = Receipt(lambda _: None)
        processed = pipeline.process(
            payloads, receipt=receipt, peer="127.0.0.1:1", now_ns=time.time_ns()
        )
        result = await sink.write(processed.documents, frozenset())
        if result.trouble or result.refused or result.already_stored:
            raise AssertionError(f"not everything was stored: {result.trouble}")
    await sink.close()


def drop_from_cache(path: Path) -> None:
    """Ask the system to forget the file, so that the next question reads the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def took(
    path: Path, ask: Callable[[], str], runs: int, cpu: Callable[[], float] = time.process_time
) -> Took:
    """Ask once cold and ``runs`` times warm; ``cpu`` tells the seconds of who answers."""
    drop_from_cache(path)
    cold, note = _timed(ask)
    begin = cpu()
    warm = sorted(_timed(ask)[0] for _ in range(runs))
    used = (cpu() - begin) * 1000 / runs
    return Took(used, cold, statistics.median(warm), warm[min(runs - 1, int(runs * 0.95))], note)


def _timed(ask: Callable[[], str]) -> tuple[float, str]:
    begin = time.perf_counter()
    note = ask()
    return (time.perf_counter() - begin) * 1000, note


def queries(path: Path, since: str | None) -> Iterator[tuple[str, Callable[[], str]]]:
    """Every query: its first page, and its counts."""
    for query in QUERIES:
        view = View(query, since)

        def page(view: View = view) -> str:
            with _reader(path) as reader:
                return f"{len(reader.page(view, limit=100).hits)} rows"

        def counts(view: View = view) -> str:
            with _reader(path) as reader:
                found = reader.counts(view)
                return f"{'' if found.is_whole else 'at least '}{found.documents:,}"

        yield f"page    {query or '*'}", page
        yield f"counts  {query or '*'}", counts


def others(path: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """What the page asks beside them."""

    def document() -> str:
        with _reader(path) as reader:
            hit = reader.document(reader.last_id() // 2)
            assert hit is not None
            found = context_of(reader.connection, hit, count=5)
            return f"{len(found.before) + len(found.after)} neighbours"

    def names() -> str:
        with _reader(path) as reader:
            return f"{len(completion.fields(reader.connection))} fields"

    def values() -> str:
        with _reader(path) as reader:
            found = completion.values(reader.connection, "logger_name", beginning="a", limit=12)
            return f"{len(found)} values"

    def tail() -> str:
        with _reader(path) as reader:
            after = reader.last_id() - 1000
            return f"{len(reader.tail(View('parcel'), after=after, limit=100).hits)} rows"

    yield "document and neighbours", document
    yield "names of fields", names
    yield "values of a label", values
    yield "a step of the tail", tail


def _reader(path: Path) -> ExploreReader:
    end = time.monotonic() + COUNT_SECONDS
    return ExploreReader(path, now=datetime.now(UTC), is_time_up=lambda: time.monotonic() >= end)


@contextmanager
def pages(path: Path) -> Iterator[tuple[int, Iterator[tuple[str, Callable[[], str]]]]]:
    """A server on the store: its process, and its pages over HTTP."""
    port = processes.free_port()
    with tempfile.TemporaryDirectory(prefix="ptingest-explore-") as place:
        config = Path(place) / "ptingest.yaml"
        written: dict[str, Any] = {
            "data_dir": place,
            "beats": {"listen": f"127.0.0.1:{processes.free_port()}"},
            "sinks": {"store": {"path": str(path.absolute()), "max_age_days": None}},
            "api": {"listen": f"127.0.0.1:{port}"},
            "log": {"level": "warning"},
        }
        config.write_text(json.dumps(written), encoding="utf-8")
        with processes.server(port=port, config=config) as server:
            yield server.pid, _pages(f"http://127.0.0.1:{port}/console/explore")


def _pages(address: str) -> Iterator[tuple[str, Callable[[], str]]]:
    for since in ("24h", "7d", ""):
        for query in ("", EXAMPLES[1], "parcel"):
            url = f"{address}?{urlencode({'q': query, 'since': since})}"

            def read(url: str = url) -> str:
                with urlopen(url, timeout=60) as answer:
                    return f"{len(answer.read()) // 1024} KiB"

            yield f"page    {query or '*'}, {since or 'all'}", read


def measure(path: Path, runs: int) -> dict[str, Took]:
    """Every row."""
    rows = {f"{name}, all": took(path, ask, runs) for name, ask in queries(path, None)}
    rows |= {f"{name}, 24h": took(path, ask, runs) for name, ask in queries(path, "24h")}
    rows |= {name: took(path, ask, runs) for name, ask in others(path)}
    with pages(path) as (pid, asked):
        cpu = partial(processes.cpu_seconds, pid)
        rows |= {f"HTTP {name}": took(path, ask, runs, cpu) for name, ask in asked}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure looking into a large store.")
    parser.add_argument("--store", type=Path, required=True, help="filled when it is missing")
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.store.exists():
        begin = time.perf_counter()
        asyncio.run(fill(arguments.store, arguments.documents))
        print(f"filled in {time.perf_counter() - begin:.0f} s")
    rows = measure(arguments.store, arguments.runs)
    if arguments.json:
        print(json.dumps({name: row._asdict() for name, row in rows.items()}))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"{'milliseconds':68} {'cpu':>8} {'cold':>8} {'p50':>8} {'p95':>8}")
    for name, row in rows.items():
        print(f"{name:68} {row.cpu:8.1f} {row.cold:8.0f} {row.p50:8.1f} {row.p95:8.1f}  {row.note}")
    append_history("explore", {name: row._asdict() for name, row in rows.items()})


if __name__ == "__main__":
    main()
