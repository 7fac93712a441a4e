"""Everything that is fuzzed: a name, the promise, where mutation begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.fuzz import conf, disk, documents, seeds, wire, words


class Target(NamedTuple):
    """One promise about any bytes."""

    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    tokens: tuple[bytes, ...] = ()
    """Words of its language, for the mutator to put in."""
    most_bytes: int = 4096


JSON_TOKENS = (
    b'"',
    b"\\u00",
    b"\\ud800",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"1e999",
    b"-0",
    b",",
    b":",
)
FIELDS = (
    b'"group":"pt"', b'"service":', b'"message":', b'"@timestamp":', b'"tags":', b'"event":',
    b'"data_stream":', b'"fields":', b'"log":', b'"offset":', b'"agent":', b'"line":',
    b'"@metadata":', b"|2025-01-02T03:04:05.678|", b"\\n", b"%{[a]}",
)  # fmt: skip
YAML_TOKENS = (
    b": ", b"\n  ", b"- ", b"${PORT}", b"${SECRET}", b"${file:x}", b"${EMPTY:1}", b"&a ", b"*a",
    b"!!str ", b"---\n", b"null", b".nan", b".inf", b"0x1f", b"1e999", b"sinks:", b"beats:",
    b"limits:", b"tls:", b"allow:", b"elasticsearch:", b"password:", b"1GiB", b"|\n", b"{", b"[",
)  # fmt: skip

TARGETS = {
    "decoder": Target(
        wire.decoder, seeds.wire, (b"2W\0\0\0\1", b"1W", b"2C", b"2J", b"1D", b"2A", b"\xff" * 4)
    ),
    "inflater": Target(wire.inflater, seeds.zlib_streams, (b"\x78\x9c", b"\x1f\x8b")),
    "acks": Target(wire.acks_to_client, seeds.acks, (b"2A", b"\0\0\0\1"), 512),
    "proxy": Target(
        wire.proxy_header, seeds.proxy_headers, (b"PROXY ", b"TCP6 ", b"%", b"::"), 512
    ),
    "pipeline": Target(documents.pipeline, seeds.payloads, JSON_TOKENS + FIELDS),
    "improved": Target(
        documents.improved, seeds.all_lines, (*JSON_TOKENS, *FIELDS, b" [", b"/Jan/", b" +0000")
    ),
    "twin": Target(documents.twin, seeds.events_for_twin, JSON_TOKENS + FIELDS),
    "bulk": Target(
        documents.bulk_answer,
        seeds.bulk_answers,
        (*JSON_TOKENS, b'"create":', b'"status":', b'"error":', b'"type":', b'"failure_store":'),
    ),
    "config": Target(words.server_config, seeds.server_configs, YAML_TOKENS, 8192),
    "profile": Target(words.profile, seeds.profiles, (*YAML_TOKENS, b"{data:x}", b"(?P<a>"), 16384),
    "conf": Target(
        conf.conf,
        conf.configs,
        (b"filter {", b"if [a] ", b"else ", b" in ", b"not in", b"=~ /", b"=>", b"%{[a][b]}", b"}",
         b"${A:x}", b"mutate {", b"grok {", b"%{WORD:w}", b"#", b"'", b'"', b"xor", b"!"),
    ),
    "conf_events": Target(conf.conf_events, conf.events, JSON_TOKENS + FIELDS),
    "query": Target(
        words.query,
        seeds.queries,
        (b" and ", b" or ", b"not ", b"(", b")", b":", b">=", b"*", b'"', b"\\u0000", b"message:",
         b"@timestamp", b"now-7d", b"tags:", b"service:", b"event.original:"),
        512,
    ),
    "segments": Target(disk.segments, seeds.segments, (*JSON_TOKENS, b'"payload_base64":"'), 2048),
    "marks": Target(disk.marks, seeds.marked, (*JSON_TOKENS, b"\n", b'{"id":"'), 2048),
    "registry": Target(disk.registry, seeds.registries, JSON_TOKENS, 1024),
    "records": Target(disk.records, seeds.records, (b"\n", b"\r\n", b"INFO|", b"a|"), 1024),
}  # fmt: skip
