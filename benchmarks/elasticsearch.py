"""What a document costs Elasticsearch, for any list of index templates.

    python -m benchmarks.elasticsearch                        every template, 8.19
    python -m benchmarks.elasticsearch --release 9.5 --only default,logsdb
    python -m benchmarks.elasticsearch --template mine=FILE.json --rounds 5

One real node, its compiler warm after one round that is not counted. The documents are those that
the packaged profile makes of the corpus, written to a data stream for each service in bulks of
4,096, compressed as our sink does it. The templates take turns, several rounds. Shown are

    CPU         user and system time of the node's process for bulks and a refresh, in microseconds
                a document; beside it what a forced merge to one segment took
    bytes       of the streams a document, after that merge
    searches    the seven saved searches that setup installs, newest 50 first: the sum of their
                medians, in milliseconds

Before each round the floor of `benchmarks.floor` is measured, the least that such an event takes in
Python, so that Elasticsearch's CPU can be set beside ptingest's, which is a known multiple of it.
Every template must give as many documents as were sent, and the same hits to each search.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from isal import igzip

from benchmarks import corpus, floor, processes, templates
from benchmarks.measure import Runs, append_history, machine
from benchmarks.templates import Template
from ptingest.kql.parser import parse
from ptingest.model.document import Document
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.sinks.elasticsearch.read.mapping import read_field_caps
from ptingest.sinks.elasticsearch.read.query import compile_query
from ptingest.tools.setup.plan import Wanted, saved_objects
from tests.peers.elasticsearch_peer import (
    AS_SERVED,
    RELEASES,
    Node,
    Release,
    start_elasticsearch,
)

BULK = 4_096
SPAN = timedelta(hours=6)
SEARCHED = 9
"""Times that each search is asked in a round."""


class Differs(Exception):
    """Documents are missing, or a search finds something else."""


class Figures(NamedTuple):
    """One round of one template; a document each."""

    cpu_us: float
    merge_us: float
    bytes: float
    searches_ms: float


class Sent(NamedTuple):
    """One document: its service, key and body."""

    service: str
    key: str
    body: bytes


def documents(count: int, seed: int) -> list[Sent]:
    """What the packaged profile makes of the corpus, in the order of time."""
    pipeline = compile_profile(load_profile(packaged_profile_path(), os.environ))
    payloads = list(corpus.stream(count, seed, start=corpus.START, span=SPAN))
    receipt = Receipt(lambda _: None)
    made: list[Document] = []
    for at in range(0, count, 256):
        part = payloads[at : at + 256]
        made += pipeline.process(part, receipt=receipt, peer="", now_ns=time.time_ns()).documents
    if len(made) != count:
        raise Differs(f"{len(made)} documents of {count} events")
    return [Sent(str(one.service), str(one.key), one.body) for one in made]


def of_template(sent: Sequence[Sent], template: Template) -> list[Sent]:
    """The same documents as this template wants them."""
    if not template.left_out and not template.has_labels:
        return list(sent)
    return [
        one._replace(body=_edited(one.body, number, template)) for number, one in enumerate(sent)
    ]


def _edited(body: bytes, number: int, template: Template) -> bytes:
    document = orjson.loads(body)
    for name in template.left_out:
        *parents, last = name.split(".")
        place = document
        for parent in parents:
            place = place[parent]
        del place[last]
        if parents and not place:
            del document[parents[0]]
    if template.has_labels:
        document["kubernetes"] = labels(number % 40)
    return orjson.dumps(document)


def labels(pod: int) -> dict[str, Any]:
    """What Filebeat adds of one of 40 pods, dots as they are."""
    named = {
        "app": "tracking",
        "app.kubernetes.io/name": "tracking",
        "app.kubernetes.io/instance": f"tracking-{pod % 8}",
        "pod-template-hash": f"7c9d{pod % 8:04x}",
        **{f"team.example/part-{n}": f"value-{n}-{pod % 5}" for n in range(16)},
    }
    notes = {f"checksum/config-{n}": f"{pod * 7919 + n:040x}" for n in range(4)}
    return {"labels": named, "annotations": notes, "pod": {"name": f"tracking-{pod}"}}


class Measured:
    """One node, and the requests of a round."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=600)

    def round(self, template: Template, name: str, sent: Sequence[Sent]) -> tuple[Figures, Any]:
        """Write everything to new streams, merge, search; returns figures and hits."""
        node, streams = self._node, f"logs-*-{name}"
        body = {"index_patterns": [streams], "priority": 501, "data_stream": {}}
        node.must("PUT", f"/_index_template/bench-{name}", {**body, "template": template.body})
        bodies = list(bulks(sent, name, keyed=template.keyed))
        before = self._cpu()
        for bulk in bodies:
            self._bulk(bulk)
        node.must("POST", f"/{streams}/_refresh")
        written = self._cpu()
        self._ask("POST", f"/{streams}/_forcemerge?max_num_segments=1")
        node.must("POST", f"/{streams}/_flush?force=true&wait_if_ongoing=true")
        merged = self._cpu()
        stored = node.must("GET", f"/{streams}/_stats/store,docs")["_all"]["primaries"]
        if stored["docs"]["count"] != len(sent):
            raise Differs(f"{template.name}: {stored['docs']['count']} of {len(sent)} documents")
        milliseconds, hits = self._search(streams)
        node.must("DELETE", f"/_data_stream/{streams}")
        size = stored["store"]["size_in_bytes"]
        count = len(sent) / 1e6
        figures = Figures(
            (written - before) / count, (merged - written) / count, size / len(sent), milliseconds
        )
        return figures, hits

    def _cpu(self) -> float:
        return processes.cpu_seconds(self._node.process.pid)

    def _ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, names)
        answer = self._connection.getresponse()
        found = orjson.loads(answer.read())
        if answer.status != 200:
            raise Differs(f"{method} {path}: {answer.status} {found}")
        return found

    def _bulk(self, body: bytes) -> None:
        found = self._ask(
            "POST", "/_bulk?require_data_stream=true&filter_path=errors,items.*.error", body,
            content_type="application/x-ndjson", content_encoding="gzip",
        )  # fmt: skip
        if found["errors"]:
            raise Differs(f"refused: {found['items'][:1]}")

    def _search(self, streams: str) -> tuple[float, list[int]]:
        """The sum of the medians of all searches in milliseconds, and the hits of each."""
        mappings = read_field_caps(self._node.must("GET", f"/{streams}/_field_caps?fields=*"))
        total, hits = 0.0, []
        for text in searches():
            query = compile_query(parse(text), text=text, now=datetime.now(UTC), mappings=mappings)
            asked = {"query": query, "sort": [{"@timestamp": "desc"}], "size": 50}
            body = orjson.dumps({**asked, "track_total_hits": True})
            took = []
            for _ in range(SEARCHED):
                start = time.perf_counter()
                found = self._ask(
                    "POST", f"/{streams}/_search?request_cache=false", body,
                    content_type="application/json",
                )  # fmt: skip
                took.append(time.perf_counter() - start)
            total += statistics.median(took) * 1e3
            hits.append(found["hits"]["total"]["value"])
        return total, hits


def searches() -> list[str]:
    """The queries of the saved searches that setup installs in Kibana."""
    found = saved_objects("searches", Wanted())
    sources = [one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"] for one in found]
    return [json.loads(source)["query"]["query"] for source in sources]


def bulks(sent: Sequence[Sent], name: str, *, keyed: bool) -> Iterator[bytes]:
    """Bodies of `_bulk`, compressed as the sink compresses them."""
    for at in range(0, len(sent), BULK):
        lines = []
        for one in sent[at : at + BULK]:
            action = {"_index": f"logs-{one.service}-{name}"} | ({"_id": one.key} if keyed else {})
            lines += [orjson.dumps({"create": action}), one.body]
        yield igzip.compress(b"\n".join(lines) + b"\n", 1)


@contextmanager
def running(release: Release) -> Iterator[Node]:
    """A node with the compiler that a real one has; ends with the block."""
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as place:
        node = start_elasticsearch(Path(place), release, java=AS_SERVED)
        try:
            yield node
        finally:
            node.kill()


class Found(NamedTuple):
    """All rounds."""

    floor_us: Runs
    rows: dict[str, dict[str, Runs]]


def measure(
    release: Release, rows: Sequence[Template], *, count: int, rounds: int, seed: int = 1
) -> Found:
    """Every template in each round, after one round that is not counted.

    Raises:
        Differs: documents are missing, or a template's searches find something else.
    """
    sent = documents(count, seed)
    taken: dict[str, list[Figures]] = {row.name: [] for row in rows}
    floors: list[float] = []
    wanted: list[int] = []
    with running(release) as node:
        measured = Measured(node)
        for number in range(rounds + 1):
            floors.append(floor.measure_whole(runs=3, compression=3, events=4 * floor.WINDOW).best)
            for place, row in enumerate(rows):
                figures, hits = measured.round(row, f"b{number}x{place}", of_template(sent, row))
                wanted = wanted or hits
                if hits != wanted:
                    raise Differs(f"{row.name}: searches find {hits}, others {wanted}")
                if number:
                    taken[row.name].append(figures)
            print(f"round {number} of {rounds} is done", file=sys.stderr, flush=True)
    return Found(Runs.of(floors[1:]), {name: _columns(taken[name]) for name in taken})


def _columns(taken: list[Figures]) -> dict[str, Runs]:
    columns = zip(*taken, strict=True)
    return {
        name: Runs.of(list(column)) for name, column in zip(Figures._fields, columns, strict=True)
    }


def table(found: Found) -> str:
    """Markdown: medians, and from the best round to the worst."""
    lines = [
        "| template | CPU us a document | forced merge us | bytes a document | seven searches ms |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {' | '.join(map(_cell, row.values()))} |" for name, row in found.rows.items()
    ]
    floored = f"The floor of the same rounds: {_cell(found.floor_us)} us an event."
    return "\n".join([*lines, "", floored])


def _cell(runs: Runs) -> str:
    return f"{runs.median:.0f} ({runs.best:.0f} to {runs.worst:.0f})"


def record_of(found: Found, release: Release, count: int, rounds: int) -> dict[str, object]:
    """For the history."""
    rows = {
        name: {column: runs.as_json() for column, runs in row.items()}
        for name, row in found.rows.items()
    }
    floor_us = found.floor_us.as_json()
    return {
        "release": release.version, "documents": count, "rounds": rounds, "floor_us": floor_us,
        "templates": rows,
    }  # fmt: skip


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure index templates on a real node.")
    series = [release.series for release in RELEASES]
    parser.add_argument("--release", default="8.19", choices=series)
    parser.add_argument("--only", help=f"names, by commas: {', '.join(templates.known())}")
    parser.add_argument(
        "--template", action="append", default=[], metavar="NAME=FILE", help="one more; repeatable"
    )
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def chosen(only: str | None, more: Sequence[str], release: Release) -> list[Template]:
    """The templates named, without those that this release does not know."""
    known = templates.known()
    names = [*known] if only is None else [name.strip() for name in only.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no template {', '.join(unknown)}; known: {', '.join(known)}")
    rows = [known[name] for name in names] + [templates.read(text) for text in more]
    if "logsdb" in release.lacks:
        rows = [row for row in rows if row.body["settings"]["index"].get("mode") != "logsdb"]
    return rows


def main() -> None:
    given = _parse_arguments()
    release = next(one for one in RELEASES if one.series == given.release)
    rows = chosen(given.only, given.template, release)
    found = measure(release, rows, count=given.documents, rounds=given.rounds)
    record = record_of(found, release, given.documents, given.rounds)
    append_history(f"elasticsearch {release.series}", dict(record))
    if given.json:
        print(json.dumps({**machine(), **record}))
        return
    print(f"Elasticsearch {release.version}, {given.documents:,} documents, {given.rounds} rounds")
    print(table(found))


if __name__ == "__main__":
    main()
