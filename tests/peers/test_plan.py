"""What `ptingest plan` says of documents against what a real Elasticsearch does with them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ptingest.sinks.elasticsearch.client import ElasticsearchClient
from ptingest.tools.plan.cluster import ask_version
from ptingest.tools.plan.planner import Planner
from ptingest.tools.setup.plan import Wanted, mappings_body, settings_body
from tests.peers.elasticsearch_peer import Node, settings_for

pytestmark = [
    pytest.mark.peer,
    pytest.mark.timeout(180),
    pytest.mark.needs("lifecycle"),  # OpenSearch is not planned for
]

AT_ONCE = 250
"""Each document that brings a field is a change of the cluster's state: few to one answer."""
TIME = "2025-01-02T03:04:05Z"
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 127, 128, 32_768, 65_519, 65_520, 1 << 31, (1 << 63) - 1,
    1 << 63, -(1 << 63), -(1 << 63) - 1, 1 << 64, 1e38, 3.5e38, 1e308, 1e15, 253_402_300_800_000,
    "", " ", "text", "12", " 12 ", "12.5", "1e3", "1f", "0x10", "NaN", "true", "True", "on",
    "2025-01-02", "2025-01-02T03", "2025-01-02T03:04:05.123456789Z", "2025-01-02T03:04:05+0100",
    "2025-13-01", "2025-02-30", "2024-02-29", "2025", "20250102", "2025/01/02",
    "2025/01/02 03:04:05", "2025-01-02 03:04:05", "1735787045", "9999999999999",
    "10.0.0.1", "10.0.0.256", "::1", "::ffff:10.0.0.1", "10.0.0.0/8",
    "x" * 32_766, "x" * 32_767, "\N{EURO SIGN}" * 11_000, "\x00",
    {}, {"a": 1}, {"a": "text"}, {"a": {"b": 1}}, {"a.c": 1}, {"": 1}, {"a..b": 1}, {".a": 1},
    {"a.": 1}, {" ": 1}, {"n": None}, {"n": []}, {"n": [None]}, [], [None], [1, "text"], [[1], [2]],
    [{"a": 2}, {"a": "x"}], [1, {"a": 1}],
    [1, 2.5], [1, True], ["text", 1], ["2025-01-02", "text"], [1 << 40, 1], [1, None, "", "text"],
)  # fmt: skip
"""For each field; a document that is taken teaches the index what later ones meet."""
TEXT_AS_NUMBER = ("12", " 12 ", "12.5", "1e3", "1f", "0x10", "NaN")

TYPED: dict[str, Any] = {
    **{kind: {"type": kind} for kind in (
        "byte", "short", "integer", "long", "half_float", "float", "double", "date", "date_nanos",
        "boolean", "ip", "keyword", "text", "match_only_text", "flattened",
    )},
    "strict_long": {"type": "long", "coerce": False},
    "lenient_long": {"type": "long", "ignore_malformed": True},
    "lenient_date": {"type": "date", "ignore_malformed": True},
    "lenient_ip": {"type": "ip", "ignore_malformed": True},
    "seconds": {"type": "date", "format": "epoch_second"},
    "slashed": {"type": "date", "format": "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd"},
    "short_keyword": {"type": "keyword", "ignore_above": 10},
    "kept_keyword": {"type": "keyword", "index": False, "doc_values": False},
    "column": {"type": "keyword", "index": False},
    "with_keyword": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
    "other_name": {"type": "alias", "path": "long"},
    "objects": {"properties": {"a": {"type": "long"}}},
    "closed": {"dynamic": "strict", "properties": {"a": {"type": "long"}}},
    "ignored": {"dynamic": "false", "properties": {"a": {"type": "long"}}},
    "off": {"type": "object", "enabled": False},
    "flat": {"type": "object", "subobjects": False, "properties": {"a.b": {"type": "long"}}},
    "nested": {"type": "nested", "properties": {"a": {"type": "long"}}},
}  # fmt: skip
TEMPLATES: Mapping[str, Mapping[str, Any]] = {
    "setup": {
        "settings": settings_body(Wanted())["template"]["settings"],
        "mappings": mappings_body()["template"]["mappings"],
    },
    "typed": {
        "settings": {"index.mapping.total_fields.limit": 300, "index.mapping.depth.limit": 4},
        "mappings": {"properties": TYPED},
    },
    "guessed": {
        "settings": {
            "index.mapping.total_fields.limit": 160,
            "index.mapping.total_fields.ignore_dynamic_beyond_limit": False,
        },
        "mappings": {
            "numeric_detection": True,
            "dynamic_templates": [
                {"ids": {"match": "*_id", "mapping": {"type": "keyword", "ignore_above": 100}}},
                {"n": {"match_mapping_type": "long", "mapping": {"type": "integer"}}},
            ],
        },
    },
}
OF_SETUP = ("message", "log_ms", "host.ip", "kubernetes")
FIELDS = {"setup": OF_SETUP, "typed": tuple(TYPED), "guessed": ("a", "b", "c_id", "d.e")}


def documents(fields: tuple[str, ...]) -> Iterator[bytes]:
    """Every value in every field, mixed, and some that a field is not to blame for."""
    cases = [(name, value) for name in fields for value in VALUES]
    random.Random(1).shuffle(cases)
    # Each list and object as the first value of a field, too.
    new = [value for value in VALUES if isinstance(value, list | dict) or value in TEXT_AS_NUMBER]
    cases[:0] = [(f"own{number}", value) for number, value in enumerate(new)]
    for name, value in cases:
        yield json.dumps({"@timestamp": TIME, name: value}).encode()
    yield b"{}"
    for value in VALUES:
        yield json.dumps({"@timestamp": value}).encode()
    for name in ("_id", "_source", "_ignored", "_type", "_size", "", " ", ".", "a..b", "x."):
        yield json.dumps({"@timestamp": TIME, name: "x"}).encode()
    deep = '{"a":' * 25 + "1" + "}" * 25
    for more in (
        f'"many":{"1" * 1001}',
        f'"lists":{"[" * 50}1{"]" * 50}',
        f'"deep":{deep}',
        '"twice":1,"twice":2',
        '"inner":{"twice":1,"twice":2}',
        f'"@timestamp":"{TIME}"',
    ):
        yield f'{{"@timestamp":"{TIME}",{more}}}'.encode()


@pytest.mark.parametrize("kind", list(TEMPLATES))
async def test_what_the_plan_says_is_what_happens(elasticsearch: Node, kind: str) -> None:
    node, name = elasticsearch, f"logs-plan.{kind}-peer"
    put_template(node, kind)
    client = ElasticsearchClient(settings_for(node))
    try:
        version = await ask_version(client)
        bodies = list(documents(FIELDS[kind]))
        # The second time the mapping has what the first one added.
        for known in ("template", "mapping"):
            planner = Planner(client, version)
            said: dict[int, tuple[bool, str]] = {}
            for number, body in enumerate(bodies):
                async for judged in planner.check(number, name, body, is_stream=True):
                    said[number] = judged.is_certain, f"{judged.field}: {judged.reason}"
            assert planner.streams[name].facts.known == known
            done = bulk(node, name, bodies)

            wrong = [
                f"{bodies[number][:150]!r}: said {said.get(number)}, done {reason}"
                for number, reason in enumerate(done)
                if said.get(number, (False, ""))[0] != bool(reason) and number not in unsure(said)
            ]
            assert wrong == []
            assert len(unsure(said)) < len(bodies) / 10
            assert 0.04 < sum(map(bool, done)) / len(done) < 0.96
    finally:
        await client.close()
        node.request("DELETE", f"/_data_stream/{name}")
        node.request("DELETE", f"/_index_template/plan-{kind}")


def unsure(said: Mapping[int, tuple[bool, str]]) -> list[int]:
    return [number for number, (is_certain, _) in said.items() if not is_certain]


def put_template(node: Node, kind: str) -> None:
    settings = {**TEMPLATES[kind]["settings"], "index.number_of_replicas": 0}
    template = {"settings": settings, "mappings": TEMPLATES[kind]["mappings"]}
    body = {
        "index_patterns": [f"logs-plan.{kind}-peer"],
        "priority": 900,
        "data_stream": {},
        "template": template,
    }
    node.must("PUT", f"/_index_template/plan-{kind}", body)


def bulk(node: Node, name: str, bodies: list[bytes]) -> list[str]:
    """Send all in their order; what was said of each that is refused, nothing of the others."""
    done = []
    for start in range(0, len(bodies), AT_ONCE):
        lines = b"".join(b'{"create":{}}\n%b\n' % body for body in bodies[start : start + AT_ONCE])
        for item in node.must("POST", f"/{name}/_bulk", lines)["items"]:
            error = item["create"].get("error")
            done.append(json.dumps(error)[:300] if error else "")
    return done
