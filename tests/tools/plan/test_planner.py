from __future__ import annotations

import json
from typing import Any

from ptingest.tools.plan.planner import MOST_STREAMS, Judged, Planner
from tests.tools.plan.test_cluster import Node, mapping

INDEX = ".ds-logs-a-pt-2025.01.01-000001"
READABLE: dict[str, Any] = {"/logs-a-pt/_mapping": {INDEX: mapping("long")}}


def body(**members: Any) -> bytes:
    return json.dumps({"@timestamp": "2025-01-02T03:04:05Z", **members}).encode()


async def judged(planner: Planner, *bodies: bytes, name: str = "logs-a-pt") -> list[Judged]:
    found = []
    for line, one in enumerate(bodies, 1):
        found += [row async for row in planner.check(line, name, one, is_stream=True)]
    return found + [row async for row in planner.finish()]


async def test_refusals_of_one_field_are_one_cause_with_its_first_line() -> None:
    planner = Planner(Node(READABLE), "8.19.0")

    rows = await judged(planner, body(a=1), body(a="x"), body(a="y"), body(b=1))

    plan = planner.streams["logs-a-pt"]
    assert [(row.line, row.is_certain, row.field) for row in rows] == [
        (2, True, "a"),
        (3, True, "a"),
    ]
    assert [(cause.events, cause.line) for cause in plan.causes.values()] == [(2, 2)]
    assert (plan.events, plan.refused, plan.uncertain) == (4, 2, 0)
    assert (plan.fields_now, plan.fields_then) == (1, 3)


async def test_where_rules_are_assumed_the_node_decides_what_is_certain() -> None:
    docs = [{"doc": {}}, {"doc": {"error": {"reason": "of the node"}}}]
    node = Node({"/_ingest/_simulate": {"docs": docs}})

    rows = await judged(Planner(node, "8.19.0"), body(), body())
    old = await judged(Planner(node, "8.13.4"), body(), body(**{"@timestamp": None}))

    assert rows == [Judged(2, "logs-a-pt", True, "", "of the node")]
    assert [(row.line, row.is_certain, row.field) for row in old] == [(2, False, "@timestamp")]


async def test_no_more_streams_are_asked_about_than_the_limit() -> None:
    planner = Planner(Node({}), "8.13.4")

    for number in range(MOST_STREAMS + 3):
        await judged(planner, body(), name=f"logs-{number}-pt")

    assert len(planner.streams) == MOST_STREAMS
    assert planner.not_asked == 3
