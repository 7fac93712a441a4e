"""Batches of documents to the embedded store: what `StoreSink` costs beside bare inserts.

The floor makes the same file: the same table, unique key and time index, the same text
index in the same steps, the same pragmas, transactions of the same size, each on disk when
it is over; but its rows are ready-made, `executemany` puts them in, nobody asks which were
there before, and no thread is between. The keys are new ones in order of time, as at a
running server.

    python -m benchmarks.store [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import corpus
from benchmarks.measure import Runs, append_history, machine
from ptingest.kql.columns import lift
from ptingest.model.document import Document
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.server.process.clock import SystemClock
from ptingest.settings.load import load_profile
from ptingest.settings.sinks import BatchSettings, StoreSettings
from ptingest.sinks.store import schema
from ptingest.sinks.store.checkpoint import checkpoint
from ptingest.sinks.store.sink import StoreSink
from ptingest.tools.bench.stages import batches_of

CHUNK = 256
NOW_NS = 1_735_787_045_000_000_000
STORED_AT = "2025-01-02T03:04:05.678Z"
NAMES = ", ".join(f'"{name}"' for name in schema.COLUMNS)
ONE_ROW = f"INSERT INTO documents ({NAMES}) VALUES ({', '.join('?' * len(schema.COLUMNS))})"
INDEX = """
INSERT INTO documents_text (rowid, message) SELECT id, message FROM documents WHERE id > ?
"""
Row = tuple[str | None, ...]


class WrongBooks(Exception):
    """Not every document became a row."""


class Watch:
    """Adds up processor seconds under names."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began


def documents(count: int, seed: int) -> list[Document]:
    """The corpus through the packaged profile."""
    pipeline = compile_profile(load_profile(packaged_profile_path(), os.environ))
    made, receipt = corpus.events(count, seed), Receipt(lambda _: None)
    found: list[Document] = []
    for at in range(0, count, CHUNK):
        chunk = made[at : at + CHUNK]
        found += pipeline.process(chunk, receipt=receipt, peer="", now_ns=NOW_NS).documents
    return found


def bare(path: Path, cut: Sequence[Sequence[Row]]) -> Watch:
    """The floor's one run."""
    watch = Watch()
    connection = schema.open_writer(path)
    schema.make_text_index(connection)
    end = 0
    for rows in cut:
        with watch.on("  insert"):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(ONE_ROW, rows)
        with watch.on("  commit"):
            connection.execute("COMMIT")
        with watch.on("  text index"):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(INDEX, (end,))
            connection.execute("COMMIT")
        end += len(rows)
        with watch.on("  checkpoint"):
            checkpoint(connection, path)
    with watch.on("  checkpoint"):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    return watch


def row_of(document: Document) -> Row:
    """The table's row, as the store makes it too."""
    lifted = lift(document.body)
    return (
        STORED_AT,
        document.target.name,
        document.key,
        *lifted,
        document.body.decode(),
    )


async def store(path: Path, cut: Sequence[Sequence[Document]]) -> None:
    """The product's one run, maintenance and last checkpoint included."""
    sink = StoreSink(StoreSettings(), path=path, clock=SystemClock())
    for batch in cut:
        result = await sink.write(batch, frozenset())
        if result.trouble or result.refused or result.already_stored:
            raise WrongBooks(f"a batch was not stored whole: {result}")
    await sink.close()


def measure(events: int = 40_960, *, seed: int = 1, runs: int = 5) -> dict[str, Runs]:
    """Microseconds a document of both, run by turns, and of the floor's parts."""
    made = documents(events, seed)
    cut = batches_of(made, BatchSettings())
    rows = [[row_of(document) for document in batch] for batch in cut]
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds * 1e6 / events)

    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as place:
            floor = bare(Path(place) / "floor.sqlite", rows).seconds
            began = time.process_time()
            asyncio.run(store(Path(place) / "store.sqlite", cut))
            note("store", time.process_time() - began)
        note("bare SQLite", sum(floor.values()))
        for name, seconds in floor.items():
            note(name, seconds)
        began = time.process_time()
        for document in made:
            row_of(document)
        note("making rows", time.process_time() - began)
    return {name: Runs.of(figures) for name, figures in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the embedded store.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    figures = measure(runs=arguments.runs)
    record = {"microseconds_an_event": {name: runs.as_json() for name, runs in figures.items()}}
    append_history("store", dict(record))
    if arguments.json:
        print(json.dumps({**machine(), **record}))
        return
    print("CPU microseconds a document")
    for name, figure in figures.items():
        print(f"{name:14} {figure}")
    times = figures["store"].best / figures["bare SQLite"].best
    print(f"times bare SQLite: {times:.2f} (best over best)")


if __name__ == "__main__":
    main()
