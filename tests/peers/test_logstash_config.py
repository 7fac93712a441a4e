"""A logstash.conf with a real Elasticsearch: data streams, dated indices, ids of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.beat import Beat
from tests.peers.elasticsearch_peer import Node
from tests.support.raw_peer import event
from tests.support.serving import Server, serving

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

CONFIG = """
filter {
  mutate {
    add_field => { "[data_stream][dataset]" => "lsconf" "[data_stream][namespace]" => "pt" }
  }
}
output {
  elasticsearch { data_stream => true }
  elasticsearch { index => "lsconf-%{service}-%{+yyyy.MM.dd}" routing => "%{service}" }
  elasticsearch { index => "lsconf-orders" document_id => "%{[log][offset]}" action => "index" }
}
"""


def orders(count: int, *, text: str = "order", offset: int = 0) -> list[bytes]:
    return [
        event(
            f"INFO|apps.orders|2025-01-02T03:04:05Z|{text} {number}",
            service="shop",
            agent={"id": "lsconf"},
            host={"name": "web-1"},
            log={"offset": offset + number, "file": {"path": "/var/log/shop.log"}},
        )
        for number in range(count)
    ]


def fates(server: Server) -> dict[str, int]:
    found: dict[str, int] = {}
    for labels, value in server.worker.parts.metrics.labelled("ptingest_lane_settled_events_total"):
        found[labels[2]] = found.get(labels[2], 0) + int(value)
    return {fate: count for fate, count in found.items() if count}


async def documents(node: Node, name: str) -> list[dict[str, Any]]:
    return await asyncio.to_thread(node.documents, name)


async def test_one_event_goes_to_a_data_stream_a_dated_index_and_an_index_of_its_ids(
    elasticsearch: Node, tmp_path: Path
) -> None:
    config = tmp_path / "logstash.conf"
    await asyncio.to_thread(config.write_text, CONFIG)
    for path in ("/_data_stream/logs-lsconf-pt", "/lsconf-orders"):
        elasticsearch.request("DELETE", path)
    sinks = {elasticsearch.release.product: {"hosts": [elasticsearch.url]}}
    async with serving(tmp_path, sinks=sinks, profile=config) as server:
        await Beat(server.port).deliver([orders(40)])
        first = fates(server)
        # Sent again, the first two outputs recognise it; the third overwrites.
        await Beat(server.port).deliver([orders(40)])
        second = fates(server)
        await Beat(server.port).deliver([orders(1, text="changed", offset=7)])

    # On a busy machine a bulk may be given up that the node takes all the same: its documents are
    # known by their keys, or written over, when they are sent again.
    assert (first.keys() | second.keys()) <= {"stored", "already_stored"}
    assert (sum(first.values()), sum(second.values())) == (120, 240)
    assert second["already_stored"] - first.get("already_stored", 0) >= 80
    stream = await documents(elasticsearch, "logs-lsconf-pt")
    dated = await documents(elasticsearch, "lsconf-shop-2025.01.02")
    by_id = await documents(elasticsearch, "lsconf-orders")
    assert (len(stream), len(dated), len(by_id)) == (41, 41, 40)
    assert {hit["_index"][:4] for hit in stream} == {".ds-"}
    assert {hit.get("_routing") for hit in dated} == {"shop"}
    (changed,) = [hit for hit in by_id if hit["_id"] == "7"]
    assert changed["_source"]["message"].endswith("changed 0")
    assert changed["_source"]["data_stream"]["dataset"] == "lsconf"
