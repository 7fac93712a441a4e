"""The floor: the least that this work can cost in this language, as one bare loop.

Windows as Filebeat sends them go in, gzipped bulk bodies with Logstash's documents come
out. Nothing of the product takes part: no sockets, no loop, no receipts, no limits, no
odd input. What is measured elsewhere is given as a multiple of this, taken in the same
run on the same machine.

    python -m benchmarks.floor [--json]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from isal import isal_zlib

from benchmarks import corpus
from benchmarks.measure import Runs, append_history, cpu_microseconds, machine

WINDOW = 2_048
LINE = re.compile(
    r"([A-Za-z0-9_]+)\|([^|\n]*)\|"
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:,[0-9]+)?Z?)"
    r"(?:\.([0-9]+))?Z?\|(.*)\Z",
    re.DOTALL,
)
_TAGS = msgspec.Raw(b'["beats_input_codec_plain_applied"]')
_FAILED_TAGS = msgspec.Raw(b'["beats_input_codec_plain_applied","_grokparsefailure_pt"]')
_VERSION = msgspec.Raw(b'"1"')


class Pair(NamedTuple):
    """Microseconds an event of the floor with keys, twice: what a core does in its time
    depends on its neighbours."""

    alone: float
    busy: float


class Log(msgspec.Struct):
    """What the key needs of Filebeat's ``log``."""

    offset: int
    file: msgspec.Raw


decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_log = msgspec.json.Decoder(Log).decode
encode = msgspec.json.Encoder().encode


def payloads_of(wire: bytes) -> Iterator[bytes]:
    """Inflate one window and cut it into events."""
    frames = isal_zlib.decompress(wire[12:]) if wire[6:8] == b"2C" else wire[6:]
    at, end, numbers = 0, len(frames), struct.Struct(">II").unpack_from
    while at < end:
        start = at + 10
        at = start + numbers(frames, at + 2)[1]
        yield frames[start:at]


Labels = dict[str, tuple[msgspec.Raw, msgspec.Raw | None]]


def labels() -> Labels:
    """Every logger's category as JSON; a lookup is the least that finding it can cost."""
    families = (corpus.DJANGO, corpus.CELERY, corpus.CELERYBEAT, corpus.FLOWER)

    def raw(text: str) -> msgspec.Raw:
        return msgspec.Raw(f'"{text}"'.encode())

    return {
        logger.name: (raw(logger.stream), raw(logger.app_module) if logger.app_module else None)
        for family in families
        for logger in family
    }


def document_of(
    payload: bytes, label: Labels
) -> tuple[dict[str, msgspec.Raw], dict[str, Any], str]:
    """The event's raw fields, the document to encode, and the message."""
    fields = decode(payload)
    raw_message, service = fields["message"], fields["service"]
    message = _text(raw_message)
    document: dict[str, Any] = dict(fields)
    del document["@metadata"]
    document["@version"] = _VERSION
    document["event"] = {"original": raw_message, "module": "pt"}
    document["data_stream"] = {"type": "logs", "dataset": service, "namespace": "pt"}
    found = LINE.match(message)
    if found is None:
        document["stream"] = document["app_module"] = "unknown"
        document["tags"] = _FAILED_TAGS
    else:
        level, logger, at, fraction, text = found.groups()
        document["log_level"], document["logger_name"] = level, logger
        document["log_timestamp"], document["log_message"] = at, text
        if fraction is not None:
            document["log_ms"] = fraction
        document["@timestamp"] = f"{at[:10]}T{at[11:19]}.000Z"
        document["stream"], module = label[logger]
        if module is not None:
            document["app_module"] = module
        document["tags"] = _TAGS
    return fields, document, message


def key_of(fields: dict[str, msgspec.Raw], message: str, seen: dict[bytes, bytes]) -> bytes:
    """Ten bytes of hash over what names an event, behind its time."""
    log, agent = _log(fields["log"]), bytes(fields["agent"])
    who = seen.get(agent)
    if who is None:
        who = seen[agent] = json.loads(agent)["id"].encode()
    where = bytes(log.file)
    file = seen.get(where)
    if file is None:
        file = seen[where] = json.loads(where)["inode"].encode()
    origin = b"%b|%b|%d|" % (who, file, log.offset)
    digest = hashlib.blake2b(origin + message.encode(), digest_size=10).digest()
    return base64.urlsafe_b64encode(b"\x01\x94\x27\x00\x00\x00" + digest)[:22]


def bulk_body(payloads: list[bytes], label: Labels, *, keyed: bool) -> bytes:
    """One window's documents as one gzipped bulk body."""
    parts: list[bytes] = []
    seen: dict[bytes, bytes] = {}
    for payload in payloads:
        fields, document, message = document_of(payload, label)
        if keyed:
            key = key_of(fields, message, seen)
            parts.append(b'{"create":{"_index":"logs-django-pt","_id":"%b"}}\n' % key)
        else:
            parts.append(b'{"create":{"_index":"logs-django-pt"}}\n')
        parts.append(encode(document))
        parts.append(b"\n")
    return bytes(isal_zlib.compress(b"".join(parts), 1, wbits=zlib.MAX_WBITS | 16))


def measure(
    events: int = 10 * WINDOW, *, seed: int = 1, runs: int = 7, compression: int = 3
) -> dict[str, Runs]:
    """Microseconds an event: the whole with and without keys, and its parts."""
    label, made = labels(), corpus.events(events, seed)
    cuts = [made[at : at + WINDOW] for at in range(0, events, WINDOW)]
    wires = [corpus.window(cut, compression) for cut in cuts]

    def whole(keyed: bool) -> Callable[[], object]:
        return lambda: [bulk_body(list(payloads_of(w)), label, keyed=keyed) for w in wires]

    def measured(work: Callable[[], object], count: int = events) -> Runs:
        return cpu_microseconds(work, count, runs=runs)

    def build() -> None:
        for payload in made:
            document_of(payload, label)

    figures = {
        "floor with keys": measured(whole(True)),
        "floor without keys": measured(whole(False)),
        "  inflate and cut": measured(lambda: [list(payloads_of(wire)) for wire in wires]),
        "  decode, match, build": measured(build),
    }
    # Last, because so many objects held at once make the collector's rounds dearer.
    documents = [document_of(payload, label)[1] for payload in cuts[0]]
    figures["  encode"] = measured(lambda: [encode(d) for d in documents], WINDOW)
    body = b"\n".join(encode(document) for document in documents)
    figures["  gzip"] = measured(lambda: isal_zlib.compress(body, 1, wbits=31), WINDOW)
    return figures


def stay_busy(seconds: float) -> None:
    """Do the floor's work over and over, as a neighbour for others; says when it begins."""
    label = labels()
    wire = corpus.window(corpus.events(WINDOW, 2), 3)
    print("busy", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        bulk_body(list(payloads_of(wire)), label, keyed=True)


@contextmanager
def busy_neighbours() -> Iterator[None]:
    """Keep every other core busy, as sender and sink do beside a server that is measured."""
    count = len(os.sched_getaffinity(0)) - 1
    words = [sys.executable, "-m", "benchmarks.floor", "--stay-busy", "120"]
    neighbours = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for neighbour in neighbours:
            assert neighbour.stdout is not None
            neighbour.stdout.readline()
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.communicate()


def measure_whole(
    *, runs: int, compression: int, events: int = 10 * WINDOW, seed: int = 1, small: bool = False
) -> Runs:
    """Microseconds an event of the whole with keys, alone."""
    label, made = labels(), corpus.events(events, seed, small=small)
    cuts = [made[at : at + WINDOW] for at in range(0, events, WINDOW)]
    wires = [corpus.window(cut, compression) for cut in cuts]
    del made, cuts

    def whole() -> None:
        for wire in wires:
            bulk_body(list(payloads_of(wire)), label, keyed=True)

    return cpu_microseconds(whole, events, runs=runs)


def all_works(events: int, folder: Path) -> dict[str, Callable[[], object]]:  # noqa: ARG001
    """The whole with keys, for counting its instructions."""
    return {"floor with keys": _whole(corpus.events(events, 1))}


def small_works(events: int, folder: Path) -> dict[str, Callable[[], object]]:  # noqa: ARG001
    """The same of small events."""
    return {"floor with keys": _whole(corpus.events(events, 1, small=True))}


def _whole(made: list[bytes]) -> Callable[[], object]:
    label, wire = labels(), corpus.window(made, 3)
    return lambda: bulk_body(list(payloads_of(wire)), label, keyed=True)


def measure_pair(*, runs: int = 3, compression: int = 3, small: bool = False) -> Pair:
    """The floor with keys as it is just now, best of some runs; about two seconds."""
    events = 4 * WINDOW
    alone = measure_whole(runs=runs, compression=compression, events=events, small=small)
    with busy_neighbours():
        busy = measure_whole(runs=runs, compression=compression, events=events, small=small)
    return Pair(alone.best, busy.best)


def main() -> None:
    parser = argparse.ArgumentParser(description="The least this work can cost.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--stay-busy", type=float, metavar="SECONDS", help="be a neighbour")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.stay_busy is not None:
        stay_busy(arguments.stay_busy)
        return
    figures = measure(runs=arguments.runs)
    with busy_neighbours():
        figures["with keys, cores busy"] = measure_whole(runs=arguments.runs, compression=3)
    record = {"microseconds_an_event": {name: runs.as_json() for name, runs in figures.items()}}
    append_history("floor", dict(record))
    if arguments.json:
        print(json.dumps({**machine(), **record}))
        return
    print(f"CPU microseconds an event, {WINDOW} a window, compression 3")
    for name, figure in figures.items():
        print(f"{name:26} {figure}")


if __name__ == "__main__":
    main()
