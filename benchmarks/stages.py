"""Every stop of the run alone, beside the floor's equal part of the same run.

Two figures each: processor microseconds an event, and where valgrind (or `perf stat`)
is there, instructions an event, which no neighbour changes.

    python -m benchmarks.stages [--instructions] [--events N] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from isal import isal_zlib

from benchmarks import corpus, floor, instructions, store
from benchmarks.measure import Runs, append_history, cpu_microseconds, last_in_history, machine
from ptingest.model.document import Document
from ptingest.pipeline.classify import Classifier
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.settings.load import load_profile
from ptingest.settings.sinks import BatchSettings
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.bulk import read_answer
from ptingest.tools.bench import stages

NOW_NS = 1_735_787_045_000_000_000

Work = Callable[[], object]


class Stage(NamedTuple):
    """One stop: its work for all events, and the floor's for the same."""

    name: str
    work: Work
    bare: Work | None = None


class Material(NamedTuple):
    """What the stages work on, made once."""

    pipeline: ProfilePipeline
    windows: list[list[bytes]]
    wires: list[bytes]
    documents: list[Document]

    @property
    def events(self) -> int:
        return sum(map(len, self.windows))


def make_material(events: int, seed: int = 1) -> Material:
    """Seeded windows of the six services, compression 3."""
    pipeline = compile_profile(load_profile(packaged_profile_path(), os.environ))
    made = corpus.events(events, seed)
    windows = [made[at : at + floor.WINDOW] for at in range(0, events, floor.WINDOW)]
    wires = [corpus.window(window, 3) for window in windows]
    return Material(pipeline, windows, wires, stages.process_all(pipeline, windows, NOW_NS))


def all_stages(material: Material, folder: Path) -> list[Stage]:
    """Every stage in the order of travel; ``folder`` takes the stores."""
    found = stages.make_stages(material.pipeline, material.windows, material.wires, now_ns=NOW_NS)
    bare = _bare_parts(material)
    documents, wires = material.documents, material.wires
    stores = Stores(folder, documents)
    return [
        Stage("frames", found[stages.FRAMES], lambda: [list(floor.payloads_of(w)) for w in wires]),
        Stage("decode", found[stages.DECODE], bare["decode"]),
        Stage("patterns, searched", _searches(material), bare["match"]),
        Stage("trie, names not seen", *_tries(material)),
        Stage("timestamps, not seen", _times(material)),
        Stage("line: parse, label, time", found[stages.LINE], bare["line"]),
        Stage("key", found[stages.KEY], bare["key"]),
        Stage("pipeline", found[stages.PIPELINE], bare["pipeline"]),
        Stage("bulk body", found[stages.BODY], bare["join"]),
        Stage("gzip", found[stages.GZIP], bare["gzip"]),
        Stage("answer, all created", found[stages.ANSWER]),
        Stage("answer, one known", _mixed_answers(documents)),
        Stage("store", stores.ours, stores.bare),
    ]


def _bare_parts(material: Material) -> dict[str, Work]:
    """The floor's parts over the same events."""
    label, payloads = floor.labels(), [p for window in material.windows for p in window]
    made = [floor.document_of(payload, label) for payload in payloads]
    messages = [message for _, _, message in made]
    bodies = [floor.encode(document) for _, document, _ in made]
    body = b"\n".join(bodies)

    def keys() -> None:
        seen: dict[bytes, bytes] = {}
        for fields, _, message in made:
            floor.key_of(fields, message, seen)

    def whole() -> None:
        seen: dict[bytes, bytes] = {}
        for payload in payloads:
            fields, document, message = floor.document_of(payload, label)
            floor.key_of(fields, message, seen)
            floor.encode(document)

    return {
        "decode": lambda: [floor.decode(payload) for payload in payloads],
        "match": lambda: [floor.LINE.match(message) for message in messages],
        "line": lambda: [_bare_line(message, label) for message in messages],
        "key": keys,
        "pipeline": whole,
        "join": lambda: b"\n".join(bodies),
        "gzip": lambda: isal_zlib.compress(body, 1, wbits=31),
    }


def _bare_line(message: str, label: floor.Labels) -> object:
    found = floor.LINE.match(message)
    if found is None:
        return None
    level, logger, at, fraction, text = found.groups()
    return level, at, fraction, text, f"{at[:10]}T{at[11:19]}.000Z", label[logger]


def _searches(material: Material) -> Work:
    """The patterns as they stand in the profile, without the split that usually replaces them."""
    group = next(iter(material.pipeline.groups.values()))
    messages = [json.loads(p)["message"] for window in material.windows for p in window]
    return lambda: [group.parser.parse(message) for message in messages]


def _names(material: Material) -> list[str]:
    names = [json.loads(document.body).get("logger_name") for document in material.documents]
    return [name or "unknown" for name in names]


def _tries(material: Material) -> tuple[Work, Work]:
    """Labels of names seen for the first time, and the floor's table of names known before."""
    settings = next(iter(material.pipeline.groups.values())).settings.categories
    names = _names(material)
    fresh = [f"{name}.n{number}" for number, name in enumerate(names)]
    label = dict.fromkeys(names, 0)

    def classify() -> None:
        classifier = Classifier(settings)
        for name in fresh:
            classifier.classify(name)

    return classify, lambda: [label[name] for name in names]


def _times(material: Material) -> Work:
    """Times of lines read in full; usually their minute was seen before."""
    reader = next(iter(material.pipeline.groups.values())).time_reader
    found = [json.loads(document.body) for document in material.documents]
    times = [(one.get("log_timestamp", "2025-01-02T03:04:05Z"), one.get("log_ms")) for one in found]
    return lambda: [reader.read(text, fraction) for text, fraction in times]


def _mixed_answers(documents: Sequence[Document]) -> Work:
    """Answers that say 409 for one document, so that every item has to be looked at."""
    batches = stages.batches_of(documents, BatchSettings())
    answers = {len(batch): _one_known(len(batch)) for batch in batches}
    return lambda: [read_answer(batch, answers[len(batch)], keyed=True) for batch in batches]


def _one_known(count: int) -> Answer:
    created, known = b'{"create":{"status":201}}', b'{"create":{"status":409,"error":{}}}'
    body = b'{"errors":true,"items":[' + b",".join([known, *[created] * (count - 1)]) + b"]}"
    return Answer(200, {"x-elastic-product": "Elasticsearch"}, body)


class Stores:
    """Documents into the embedded store, and the same rows into bare SQLite."""

    def __init__(self, folder: Path, documents: Sequence[Document]) -> None:
        self._folder = folder
        self._batches = stages.batches_of(documents, BatchSettings())
        self._rows = [list(map(store.row_of, batch)) for batch in self._batches]
        self._number = 0

    def _path(self) -> Path:
        self._number += 1
        return self._folder / f"{self._number}.sqlite"

    def ours(self) -> None:
        """The text index and the last checkpoint included."""
        asyncio.run(store.store(self._path(), self._batches))

    def bare(self) -> None:
        store.bare(self._path(), self._rows)


def measure(events: int = 4 * floor.WINDOW, *, runs: int = 7) -> dict[str, dict[str, Runs]]:
    """CPU microseconds an event of each stage: ``ours``, and ``bare`` where the floor has it."""
    material = make_material(events)
    figures: dict[str, dict[str, Runs]] = {}
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder:
        for stage in all_stages(material, Path(folder)):
            stage.work()
            row = figures[stage.name] = {"ours": cpu_microseconds(stage.work, events, runs=runs)}
            if stage.bare is not None:
                stage.bare()
                row["bare"] = cpu_microseconds(stage.bare, events, runs=runs)
    return figures


def all_works(events: int, folder: Path) -> dict[str, Work]:
    """Every piece of work by name, for counting its instructions."""
    works: dict[str, Work] = {}
    for stage in all_stages(make_material(events), folder):
        works[f"{stage.name}/ours"] = stage.work
        if stage.bare is not None:
            works[f"{stage.name}/bare"] = stage.bare
    return works


def table(figures: dict[str, dict[str, Runs]], counted: dict[str, float]) -> str:
    """Microseconds, and instructions where they were counted, beside the floor's."""
    lines = [f"{'stage':26} {'us':>6} {'floor':>6} {'x':>5}   {'instr.':>8} {'floor':>8} {'x':>5}"]
    for name, row in figures.items():
        ours, bare = row["ours"].best, row["bare"].best if "bare" in row else None
        line = f"{name:26} {ours:6.2f} {_beside(ours, bare, '6.2f')}"
        if f"{name}/ours" in counted:
            count = counted[f"{name}/ours"]
            line += f"   {count:8,.0f} {_beside(count, counted.get(f'{name}/bare'), '8,.0f')}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _beside(ours: float, bare: float | None, form: str) -> str:
    if not bare:
        return " " * (int(form[0]) + 6)
    return f"{bare:{form}} {ours / bare:5.2f}"


def record_of(figures: dict[str, dict[str, Runs]], counted: dict[str, float]) -> dict[str, object]:
    """For the history and for ``--json``."""
    return {
        "microseconds_an_event": {
            name: {who: runs.as_json() for who, runs in row.items()}
            for name, row in figures.items()
        },
        "instructions_an_event": {name: round(count) for name, count in counted.items()},
    }


def compared(figures: dict[str, dict[str, Runs]]) -> str:
    """The ratios of this run beside the last one in the history."""
    last: Any = last_in_history("stages")
    if last is None:
        return "no earlier run to compare with"
    rows: dict[str, dict[str, dict[str, float]]] = last["microseconds_an_event"]
    told = []
    for name, row in figures.items():
        before = rows.get(name, {})
        if "bare" in row and "bare" in before:
            now = row["ours"].best / row["bare"].best
            then = before["ours"]["best"] / before["bare"]["best"]
            told.append(f"{name} {then:.2f} -> {now:.2f}")
    return "times the floor, last -> now: " + ", ".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure every stop of the run alone.")
    parser.add_argument("--instructions", action="store_true", help="count them too: a minute more")
    parser.add_argument("--events", type=int, default=4 * floor.WINDOW)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = measure(given.events, runs=given.runs)
    counted = instructions.count("benchmarks.stages:all_works") if given.instructions else {}
    record = record_of(figures, counted)
    told = compared(figures)
    append_history("stages", dict(record))
    if given.json:
        print(json.dumps({**machine(), **record}))
        return
    print(table(figures, counted))
    print(told)


if __name__ == "__main__":
    main()
