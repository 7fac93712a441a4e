"""Where mutation begins: inputs that the other tests already have, small ones first."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ptingest.dead_letters.queue import encode_letter
from ptingest.lumberjack.frames import ack_bytes
from ptingest.model.outcome import DeadLetter
from tests.fuzz.disk import LETTER, LINE
from tests.fuzz.documents import STATUSES
from tests.kql import test_parser as test_query
from tests.pipeline import test_decode, test_profile_pipeline
from tests.settings import test_explain, test_parse
from tests.sinks.elasticsearch import test_bulk
from tests.sinks.store.read import test_search
from tests.tools.shipper import test_file_reader as test_records
from tests.wire import captures, test_hand_made

CONFIG = Path(__file__).parents[2] / "config"
WIRE_MOST = 4096


def parameters(*tests: Callable[..., None]) -> Iterator[tuple[Any, ...]]:
    """The rows of the tables that these tests run over."""
    for test in tests:
        for mark in getattr(test, "pytestmark", []):
            if mark.name == "parametrize":
                for row in mark.args[1]:
                    values = getattr(row, "values", row)
                    yield values if isinstance(values, tuple) else (values,)


def wire() -> Iterator[bytes]:
    tests = [test for name, test in vars(test_hand_made).items() if name.startswith("test_")]
    for first, *_ in parameters(*tests):
        if isinstance(first, bytes) and len(first) <= WIRE_MOST:
            yield b"\0" + first
            yield b"\x81" + first
    for name in captures.NAMES:
        yield b"\1" + captures.load(name).wire[:WIRE_MOST]


def zlib_streams() -> Iterator[bytes]:
    for level in (0, 1, 6, 9):
        for text in (b"a", b"2J" * 300, bytes(range(256)) * 20):
            yield zlib.compress(text, level)
    yield zlib.compress(b"x") + b"junk"


def acks() -> Iterator[bytes]:
    for seqs in ([1, 2, 5], [0, 1, 0, 1, 2], [2**32 - 1, 0], [7]):
        for start in (b"\0", b"\x80"):
            yield start + b"".join(ack_bytes(2, seq) for seq in seqs)


def proxy_headers() -> Iterator[bytes]:
    yield b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n2W"
    yield b"PROXY TCP6 2001:db8::1 2001:db8::2 65535 443\r\n"
    yield b"PROXY TCP6 fe80::1%eth0 fe80::2 5 6\r\n"
    yield b"PROXY UNKNOWN\r\n"
    start = b"\r\n\r\n\x00\r\nQUIT\n"
    yield start + b"\x20\x00\0\0"
    yield start + b"\x21\x11\0\x0c" + bytes(12)
    yield start + b"\x21\x21\0\x2b" + bytes(36) + b"\4\0\4abcd"
    yield start + b"\x21\x31\0\xd8" + bytes(216)


def payloads() -> Iterator[bytes]:
    for case in test_profile_pipeline.VECTORS["pipeline"]:
        yield json.dumps(case["event"], separators=(",", ":"), ensure_ascii=False).encode()
    tests = [test for name, test in vars(test_decode).items() if name.startswith("test_")]
    for first, *_ in parameters(*tests):
        if isinstance(first, bytes) and len(first) < 5000:
            yield first


def events_for_twin() -> Iterator[bytes]:
    yield from payloads()
    for zone in ("Z", "+18:00", "+18:01", "-22:00"):
        event = {"@timestamp": f"2025-01-02T03:04:06.123{zone}", "group": "pt", "service": "django"}
        yield json.dumps(event).encode()


def all_lines() -> Iterator[bytes]:
    yield from payloads()
    for path in sorted((CONFIG / "samples").glob("*.log")):
        for line in path.read_text(encoding="utf-8").splitlines()[:6]:
            event = {"group": "pt", "service": path.stem, "message": line}
            yield json.dumps(event, separators=(",", ":")).encode()


def bulk_answers() -> Iterator[bytes]:
    two = bytes([STATUSES.index(200), 1, 1])
    one = bytes([STATUSES.index(200), 128, 1])
    for first, *_ in parameters(
        test_bulk.test_an_item_is_judged_by_its_own_status_between_good_neighbours
    ):
        yield one + test_bulk.answer_of(first).body
        yield two + test_bulk.answer_of({"status": 201}, first).body
    for first, *_ in parameters(
        test_bulk.test_whatever_is_not_one_item_for_each_document_leaves_all_in_doubt,
        test_bulk.test_elasticsearchs_own_no_leaves_all_busy,
    ):
        if first.status in STATUSES:
            yield bytes([STATUSES.index(first.status), 1, 1]) + first.body
    for value, *_ in parameters(
        test_bulk.test_retry_after_is_read_in_seconds_or_against_the_answers_own_date
    ):
        header = str(value).encode()
        yield bytes([STATUSES.index(429), 1, 7]) + header + b"\n" + header + b"\n{}"
    yield from mget_answers()


def mget_answers() -> Iterator[bytes]:
    for docs in (
        b'[{"found":true},{"found":false}]',
        b'[{"error":{"type":"index_not_found_exception"}},{"found":true}]',
    ):
        yield bytes([STATUSES.index(200), 1, 1]) + b'{"docs":' + docs + b"}"


def server_configs() -> Iterator[bytes]:
    whole = (CONFIG / "ptingest.yaml").read_bytes()
    yield whole
    yield b"\n".join(line for line in whole.splitlines() if not line.strip().startswith(b"#"))
    tests = [
        test
        for module in (test_explain, test_parse)
        for name, test in vars(module).items()
        if name.startswith("test_")
    ]
    for first, *_ in parameters(*tests):
        if isinstance(first, str) and len(first) < 1000:
            yield first.encode()
    for field in (b"username: u\n    password", b"api_key"):
        yield test_explain.ES.encode() + field + b': "${SECRET}"\n'
    yield b'api: {token: "${SECRET}"}\n'


def profiles() -> Iterator[bytes]:
    whole = (CONFIG / "pt.yaml").read_bytes()
    lines = [line for line in whole.splitlines() if not line.strip().startswith(b"#")]
    yield whole
    yield b"\n".join(lines)
    start = b"groups: [{group: pt, data_stream: {namespace: pt}, patterns: [{name: a, "
    for shape in (
        b"line: '{word:x}|{timestamp:t}|{rest:y}'",
        b"regex: '(?P<a>[a-z]+) (?P<b>.*)'",
        b"json_keys: {lvl: level, logger: name}",
    ):
        yield start + shape + b", samples: [{line: a, fields: {x: y}}]}]}]"
        yield b"timezone: Europe/Warsaw\nparsing: strict\n" + start + shape + b"}]}]"


def queries() -> Iterator[bytes]:
    for first, *_ in parameters(
        test_query.test_a_query_is_read_as_kibana_reads_it,
        test_search.test_a_query_finds_exactly,
    ):
        if len(first) < 200:
            yield first.encode()


def segments() -> Iterator[bytes]:
    binary = DeadLetter(reason="r", detail="é", payload=b"\xff\0", service="s", peer="p", key="k")
    other = encode_letter(binary, letter_id="02", time="t")
    yield LINE
    yield LINE + other
    yield LINE + other[:-9]
    yield LINE + b"rubbish\n" + other + b"\0\0\0\n\0"


def marked() -> Iterator[bytes]:
    lines = b"".join(
        encode_letter(LETTER, letter_id=f"01KAQ{number:021}", time="t") for number in range(5)
    )
    for choice in (b"\0", b"\1", b"\x85", b"\x7f"):
        yield choice + lines
        yield choice + LINE + b"rubbish\n" + lines[:300]


def registries() -> Iterator[bytes]:
    place = {"device": 1, "inode": 2, "offset": 3}
    yield json.dumps({"agent_id": "a", "files": {"/var/log/a.log": place}}).encode()
    yield json.dumps({"agent_id": "a", "files": {}}).encode()


def records() -> Iterator[bytes]:
    yield b"\x80" + test_records.TRACEBACK
    yield b"\x40INFO|a|b\r\n more\r\n\r\nINFO|c\nlast"
    yield b"\xff203.0.113.7 GET /\n\n203.0.113.8 GET /\n"
