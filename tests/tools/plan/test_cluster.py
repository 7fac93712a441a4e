from __future__ import annotations

import json
from typing import Any

import pytest

from ptingest.errors import SinkUnavailable
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.tools.plan.cluster import ask_stream, ask_version, may_simulate, simulate
from ptingest.tools.plan.refusals import Refusal
from ptingest.tools.setup.plan import mappings_body

OURS = {"x-elastic-product": "Elasticsearch"}


class Node:
    """Answers by path, 403 for every other one; remembers what was asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.bodies: list[bytes | None] = []

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        self.bodies.append(body)
        found = self.answers.get(target.partition("?")[0], 403)
        if isinstance(found, int):
            return Answer(found, OURS, b'{"error":{"type":"security_exception"}}')
        return Answer(200, OURS, json.dumps(found).encode())


def mapping(kind: str) -> dict[str, Any]:
    return {"mappings": {"properties": {"a": {"type": kind}}}}


async def test_rules_are_those_of_the_index_that_is_written_to() -> None:
    first, last = ".ds-logs-a-pt-2025.02.01-000009", ".ds-logs-a-pt-2025.01.01-000010"
    node = Node(
        {
            "/logs-a-pt/_mapping": {first: mapping("long"), last: mapping("ip")},
            f"/{last}/_settings": {last: {"settings": {"index": {"codec": "best_compression"}}}},
            "/logs-a-pt/_stats/docs,store": {
                "_all": {"primaries": {"docs": {"count": 5}, "store": {"size_in_bytes": 50}}}
            },
        }
    )

    facts = await ask_stream(node, "logs-a-pt")

    assert (facts.known, facts.is_there, facts.rules.fields["a"].type) == ("mapping", True, "ip")
    assert facts.settings == {"codec": "best_compression"}
    assert (facts.stored_documents, facts.stored_bytes) == (5, 50)


async def test_a_stream_that_is_not_there_has_the_rules_of_its_template() -> None:
    simulated = "/_index_template/_simulate_index/logs-a-pt"
    there = Node({"/logs-a-pt/_mapping": 404, simulated: {"template": mapping("ip")}})
    none = Node({"/logs-a-pt/_mapping": 404, simulated: {}})

    facts = await ask_stream(there, "logs-a-pt")

    assert (facts.known, facts.is_there, facts.has_template) == ("template", False, True)
    assert facts.rules.fields["a"].type == "ip"
    assert not (await ask_stream(none, "logs-a-pt")).has_template


async def test_the_writer_knows_types_and_assumes_the_options_of_setup() -> None:
    keyword = {"keyword": {"type": "keyword", "metadata_field": False}}
    caps = {
        "indices": ["x"],
        "fields": {
            "service": keyword,
            "own": {"ip": {"type": "ip", "metadata_field": False}},
            "_id": {"_id": {"type": "_id", "metadata_field": True}},
        },
    }

    facts = await ask_stream(Node({"/logs-a-pt/_field_caps": caps}), "logs-a-pt")

    assert (facts.known, facts.is_there) == ("assumed", True)
    assert {name: field.type for name, field in facts.rules.fields.items()} == {
        "service": "keyword", "own": "ip",
    }  # fmt: skip
    assert facts.rules.ignores_malformed


async def test_with_no_right_at_all_setups_template_is_assumed() -> None:
    facts = await ask_stream(Node({}), "logs-a-pt")

    fields = mappings_body()["template"]["mappings"]["properties"]
    assert (facts.known, facts.is_there) == ("assumed", False)
    assert facts.rules.fields.keys() == fields.keys()


async def test_the_nodes_word_is_taken_document_by_document() -> None:
    error = {"type": "document_parsing_exception", "reason": "no", "caused_by": {"reason": "why"}}
    docs = [{"doc": {"_id": "0"}}, {"doc": {"_id": "1", "error": error}}, {"error": error}]
    node = Node({"/_ingest/_simulate": {"docs": docs}})

    said = await simulate(node, "logs-a-pt", [b"{}", b'{"a":1}', b"{}"])

    assert said == [None, Refusal("", "no: why"), Refusal("", "no: why")]
    (body,) = node.bodies
    assert body is not None
    assert json.loads(body)["docs"][1] == {"_index": "logs-a-pt", "_id": "1", "_source": {"a": 1}}
    assert await simulate(Node({}), "logs-a-pt", [b"{}"]) is None
    assert may_simulate("8.19.0")
    assert not may_simulate("8.15.1")


async def test_who_does_not_answer_as_elasticsearch_is_named() -> None:
    assert await ask_version(Node({"/": {"version": {"number": "8.19.0"}}})) == "8.19.0"

    with pytest.raises(SinkUnavailable, match="login refused"):
        await ask_version(Node({"/": 401}))
