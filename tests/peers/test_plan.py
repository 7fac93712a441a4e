"""What `ptingest plan` predicts, beside what a real node then does with the same documents."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch.client import ElasticsearchClient
from ptingest.tools.plan.cluster import ask_stream
from ptingest.tools.plan.judge import Judge
from tests.peers.elasticsearch_peer import SUPERUSER, Node
from tests.peers.preparing import WRITER, clean, setup
from tests.support.command import run

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

NAME = "logs-django-pt"
TIME = {"@timestamp": "2025-01-02T03:04:05Z"}
STRICT: dict[str, Any] = {
    "settings": {"index": {"mapping": {"total_fields": {"limit": 60}, "depth": {"limit": 4}}}},
    "mappings": {
        "properties": {
            "@timestamp": {"type": "date"},
            "byte": {"type": "byte"},
            "whole": {"type": "integer"},
            "long": {"type": "long"},
            "exact": {"type": "long", "coerce": False},
            "float": {"type": "float"},
            "half": {"type": "half_float"},
            "double": {"type": "double"},
            "lenient": {"type": "long", "ignore_malformed": True},
            "lenient_date": {"type": "date", "ignore_malformed": True},
            "lenient_ip": {"type": "ip", "ignore_malformed": True},
            "lenient_boolean": {"type": "boolean", "ignore_malformed": True},
            "date": {"type": "date"},
            "seconds": {"type": "date", "format": "epoch_second"},
            "boolean": {"type": "boolean"},
            "ip": {"type": "ip"},
            "keyword": {"type": "keyword"},
            "short": {"type": "keyword", "ignore_above": 10},
            "text": {"type": "text"},
            "flat": {"type": "flattened"},
            "alias": {"type": "alias", "path": "keyword"},
            "closed": {"dynamic": "strict", "properties": {"a": {"type": "long"}}},
            "ignored": {"type": "object", "dynamic": False},
            "off": {"type": "object", "enabled": False},
            "nested": {"type": "nested", "properties": {"a": {"type": "long"}}},
        },
        "dynamic_templates": [
            {"counts": {"match": "count_*", "mapping": {"type": "integer"}}},
            {"names": {"path_match": "named.*", "match_mapping_type": "string",
                       "mapping": {"type": "keyword"}}},
        ],
    },
}  # fmt: skip
"""A template as people write it, with few options that forgive."""
LONG = "x" * 40_000
OF_STRICT: dict[str, list[Any]] = {
    "byte": [127, 128, -128, -129, "12", "300", 1.5, "1.9", True, {}, {"a": 1}, [1, 2], [1, "x"]],
    "whole": [2**31 - 1, 2**31, "2147483648", 1e9, 1e10, "", " 5", "5 ", "0x10", "1e3", None],
    "long": [2**63 - 1, 2**63, "9223372036854775808", 1e18, 1e19, "NaN", "", "1.5", "+5", "5d"],
    "exact": [5, 5.0, 5.5, "5", ""],
    "float": [1.5, 3.4e38, 3.5e38, "1e39", "1.5f", "NaN", "Infinity", " 1.5 ", "", "abc", False],
    "half": [65504, 65519, 65520, 70000],
    "double": [1.7e308, "1e309", "1.5d", "-1.5"],
    "lenient": ["text", {"a": 1}, True, 2**64, [1, "x"], 5],
    "lenient_date": ["text", {"a": 1}, 5, [1, "x"]],
    "lenient_ip": ["text", {"a": 1}, 5],
    "lenient_boolean": ["text", {"a": 1}, 5],
    "date": [
        *("2025-01-02", "2025-01-02T03:04:05Z", "2025-01-02T03:04:05.123456789+01:00", "2025"),
        *("2025-13-01", "2025-02-30", "2024-02-29", "2025-02-29", "2025-01-02 03:04:05", "now"),
        *(1735787045000, "1735787045000", -5, 1.5, True, "", "2025-01-02T25:00:00Z", {"a": 1}),
        *("2025-01-02T03:04:05,5Z", "2025-01-02T03", "2025-01-02T", "2025-1-2", "99999"),
    ],
    "seconds": [1735787045, "1735787045", "2025-01-02", 1.5],
    "boolean": [True, "true", "false", "", "True", "yes", 1, 0, "off", {"a": True}, None],
    "ip": ["192.0.2.1", "::1", "192.0.2.256", "192.0.2.0/24", "", 5, "localhost", {"v": 1}],
    "keyword": ["text", 5, 1.5, True, {"a": 1}, ["a", 5], LONG, "é" * 16_384, "x" * 32_766],
    "short": ["x" * 11, LONG, {"a": 1}],
    "text": ["text", 5, True, LONG, {"a": 1}, ["a", {"b": 1}]],
    "flat": [{"a": {"b": 1}}, "text", 5, [{"a": 1}], {}],
    "alias": ["text"],
    "closed": [{"a": 1}, {"b": 1}, {"a": "x"}, "text", {}, None, [{"a": 1}, {"a": 2}]],
    "closed.b": [1],
    "closed.a": [1, "x"],
    "ignored": [{"a": 1}, {"a": {"b": 2}}, 5],
    "off": [{"a": 1}, 5, "text", [1]],
    "nested": [{"a": 1}, [{"a": 1}, {"a": "x"}], "text", [1]],
    "count_a": ["text", 5, "6"],
    "named": [{"a": "2025-01-02"}, {"a": "x" * 32_767}, {"b": 5}, {"b": "x"}, 5],
    "grown": [5, "text", 1.5, True, {"a": 1}, [1, None], 10**30],
    "when": ["2025-01-02", "text", "2025-01-02T03:04:05Z", 5, "5"],
    "slashed": ["2025/01/02", "2025/01/02 03:04:05", "text", "2025-01-02", 5],
    "dashed": ["-5", "text"],
    "colon": ["10:20:30", "text"],
    "month": ["2025-01", "text"],
    "late": ["text", "2025-01-02", 5, {"a": 1}],
    "real": [1.5, 10**400, "x", 1e300],
    "deep": [{"a": 1}, {"b": {"c": 1}}, {"b": {"d": {"e": 1}}}],
    "dotted.name": [1, "x"],
    "dotted": [{"name": 2}, 5],
    "": [1],
    ".": [1],
    "a..b": [1],
    "_id": ["x"],
    "_source": ["x"],
    "empty": [[], {}, None, [None], ""],
    "@timestamp": ["2025-01-02", "text", None, ["2025-01-02", "2025-01-03"], 5, "1735787045000"],
}
"""Values of every kind for each field: what fits, what is coerced, what is refused."""
RAW = [
    b'{"@timestamp":"2025-01-02T03:04:05Z","twice":1,"twice":2}',
    b'{"@timestamp":"2025-01-02T03:04:05Z","in":{"twice":1,"twice":2}}',
    b'{"@timestamp":"2025-01-02T03:04:05Z","number":' + b"9" * 1_001 + b"}",
    b'{"@timestamp":"2025-01-02T03:04:05Z","huge":1e999}',
    b'{"@timestamp":"2025-01-02T03:04:05Z","log":{"offset":' + b"9" * 1_001 + b"}}",
    b'{"message":"no time"}',
    b'{"@timestamp":"2025-01-02T03:04:05Z","many":{%b}}'
    % b",".join(b'"f%d":1' % number for number in range(40)),
    b'{"@timestamp":"2025-01-02T03:04:05Z","one_more":"x"}',
]
OF_SETUP: dict[str, list[Any]] = {
    **OF_STRICT,
    "log": [{"offset": "text"}, {"offset": 10**20}, "text", {"offset": {"a": 1}}],
    "host": ["text", {"name": "n", "ip": ["no address"]}, {"ip": {"a": "b"}}],
    "event": [{"original": LONG}, {"original": {"a": 1}}, {"module": {"a": 1}}],
    "message": ["text", 5, {"a": 1}, ["a", "b"], LONG],
    "@version": ["1", 2, LONG],
    "tags": ["a", ["a", "b"], {"a": 1}],
    "kubernetes": [{"labels": {"app": "x", "app.kubernetes.io/name": "y"}}, {"labels": "text"}],
}


@pytest.fixture
def node(bare_elasticsearch: Node) -> Iterator[Node]:
    yield bare_elasticsearch
    clean(bare_elasticsearch)


def documents(values: dict[str, list[Any]]) -> list[bytes]:
    made = [
        json.dumps({**TIME, name: value}, ensure_ascii=False).encode()
        for name, several in values.items()
        for value in several
    ]
    return [*made, *RAW]


def client_of(node: Node, login: tuple[str, str] | None = None) -> ElasticsearchClient:
    login = login or node.login
    user = {} if login is None else {"username": login[0], "password": SecretStr(login[1])}
    return ElasticsearchClient(ElasticsearchSettings.model_validate({"hosts": (node.url,), **user}))


def is_taken(node: Node, body: bytes) -> tuple[bool, object]:
    """Send one document; whether it is in the stream, and what the node says if not."""
    answer = node.must("POST", f"/{NAME}/_bulk", b'{"create":{}}\n' + body + b"\n")
    fate = answer["items"][0]["create"]
    return fate["status"] == 201 and fate.get("failure_store") != "used", fate.get("error")


async def differences(node: Node, bodies: list[bytes]) -> list[tuple[bytes, object, object]]:
    """Judge and send each document in turn; what the two do not agree on."""
    client = client_of(node)
    try:
        facts = await ask_stream(client, NAME)
    finally:
        await client.close()
    judge = Judge(facts.rules)
    found: list[tuple[bytes, object, object]] = []
    for body in bodies:
        verdict = judge.verdict(body)
        taken, said = is_taken(node, body)
        if taken is (verdict.refusal is not None) or verdict.unjudged:
            found.append((body[:200], verdict, said))
    return found


@pytest.mark.every_release
@pytest.mark.parametrize("is_there", [False, True], ids=["new stream", "stream that exists"])
async def test_refusals_under_a_strict_template_are_those_of_the_node(
    node: Node, is_there: bool
) -> None:
    body = {"index_patterns": ["logs-*-pt"], "priority": 501, "data_stream": {}}
    node.must("PUT", "/_index_template/pt-logs", {**body, "template": STRICT})
    if is_there:
        is_taken(node, orjson.dumps({**TIME, "grown": "text first", "late": 5}))

    assert await differences(node, documents(OF_STRICT)) == []


@pytest.mark.every_release
async def test_refusals_under_setups_template_are_those_of_the_node(
    node: Node, tmp_path: Path
) -> None:
    # With a failure store 8.19.0 never answers a document that is no proper JSON.
    options = ("--only", "templates", "--no-failure-store")
    await asyncio.to_thread(setup, node, *options, folder=tmp_path)

    assert await differences(node, documents(OF_SETUP)) == []


# --- the command, with the rights of those who run it -------------------------------------------

HOSTILE: dict[str, Any] = {
    "duration": [5, "long", 2**70],
    "user": [{"id": "u1"}, "text"],
    "labels": [{"app": "x", "app.kubernetes.io/name": "y"}],
    "when": ["2025-01-02", "yesterday"],
    "flag": [True, "perhaps"],
    "body": [LONG],
}
"""Fields that applications send in kinds of their own."""
OPEN: dict[str, Any] = {
    "settings": {"index": {"mapping": {"total_fields": {"limit": 70}}}},
    "mappings": {"properties": {"duration": {"type": "long"}, "body": {"type": "keyword"}}},
}


def events() -> list[bytes]:
    return [
        orjson.dumps({**TIME, "group": "pt", "service": "django", "message": "m"})[:-1]
        + b"," + json.dumps({name: value}).encode()[1:]
        for name, values in HOSTILE.items()
        for value in values
    ]  # fmt: skip


def planned(node: Node, folder: Path, user: str | None) -> tuple[int, list[dict[str, Any]]]:
    """Run the command; its exit code and the objects it prints."""
    (folder / "events.ndjson").write_bytes(b"\n".join(events()) + b"\n")
    environ = {"LOGSTASH_WRITER_PASSWORD": WRITER[1]} if node.login else {}
    more = ["--user", user] if user and node.login else []
    ran = run(
        "plan", folder / "events.ndjson", "--elasticsearch", node.url, "--json", *more,
        folder=folder, environ={**environ, "ELASTIC_PASSWORD": SUPERUSER[1]},
    )  # fmt: skip
    return ran.code, [json.loads(line) for line in ran.out.splitlines()]


def refused_lines(node: Node) -> list[int]:
    """Send the documents that ptingest makes of the events; the lines that are refused."""
    pipeline = compile_profile(load_profile(packaged_profile_path(), os.environ))
    made = pipeline.process(events(), receipt=Receipt(lambda _: None), peer="", now_ns=0)
    fates = [is_taken(node, one.body)[0] for one in made.documents]
    return [line for line, taken in enumerate(fates, 1) if not taken]


@pytest.mark.every_release
@pytest.mark.parametrize("user", [SUPERUSER[0], None], ids=["superuser", "writer"])
def test_events_that_the_command_calls_refused_are_refused_and_no_others(
    node: Node, tmp_path: Path, user: str | None
) -> None:
    setup(node, "--only", "role", "--only", "user", folder=tmp_path)
    body = {"index_patterns": ["logs-*-pt"], "priority": 501, "data_stream": {}}
    node.must("PUT", "/_index_template/pt-logs", {**body, "template": OPEN})
    is_taken(node, orjson.dumps({**TIME, "flag": True}))

    code, rows = planned(node, tmp_path, user)
    lines = refused_lines(node)

    said = [row["line"] for row in rows if row.get("verdict") == "refused"]
    (stream,) = [row for row in rows if row["kind"] == "data_stream"]
    assert len(lines) >= 4
    assert code == 5
    knows = "mapping" if user or not node.login else "assumed"
    assert stream["known_by"] == knows
    if knows == "mapping":
        assert said == lines
    else:
        # Without mappings the node is asked, and judges each event alone: what an earlier one
        # would bring about is not in it.
        assert set(said) <= set(lines)
        assert {2, 3, 11} <= set(said)
    assert stream["is_there"]
    assert "user.id" in stream["new_fields"] or "user" in stream["new_fields"]


@pytest.mark.every_release
def test_nothing_of_these_events_is_refused_by_setups_template(node: Node, tmp_path: Path) -> None:
    setup(node, folder=tmp_path)

    code, rows = planned(node, tmp_path, SUPERUSER[0])

    assert code == 0, rows
    assert [row["kind"] for row in rows] == ["data_stream"]
    assert (rows[0]["known_by"], rows[0]["is_there"]) == ("template", False)
    assert refused_lines(node) == []
    assert node.must("GET", "/_data_stream/logs-*")["data_streams"][0]["name"] == NAME


@pytest.mark.every_release
def test_fields_are_counted_as_the_node_counts_them(node: Node, tmp_path: Path) -> None:
    """The limit is set to what is predicted: one more field is refused, and none before."""
    setup(node, "--only", "templates", "--no-failure-store", folder=tmp_path)
    _, rows = planned(node, tmp_path, SUPERUSER[0])
    limit = {"limit": rows[0]["fields"]["after"], "ignore_dynamic_beyond_limit": False}
    custom = {"template": {"settings": {"index": {"mapping": {"total_fields": limit}}}}}
    node.must("PUT", "/_component_template/pt@custom", custom)

    assert refused_lines(node) == []
    assert is_taken(node, orjson.dumps({**TIME, "one_more": 1}))[0] is False


@pytest.mark.every_release
def test_planning_makes_no_stream_and_stores_nothing(node: Node, tmp_path: Path) -> None:
    setup(node, folder=tmp_path)

    planned(node, tmp_path, None)

    assert node.must("GET", "/_data_stream/*")["data_streams"] == []
