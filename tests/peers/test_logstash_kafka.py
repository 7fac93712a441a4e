"""A logstash.conf from a topic of a real Kafka to another one and to Elasticsearch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.server.logstash_settings import server_values
from ptingest.settings.logstash import load_logstash
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.peers.kafka_peer import Kafka
from tests.support.kafka import committed, records, send
from tests.support.server_process import ServerProcess
from tests.support.waiting import until_told

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

EVENTS = 2000
CONFIG = """
input { kafka {
  bootstrap_servers => "%(brokers)s" topics => ["conf-in"] group_id => "conf"
  auto_offset_reset => earliest codec => json decorate_events => basic
  auto_commit_interval_ms => 200 session_timeout_ms => 6000
} }
filter {
  mutate { add_field => { "from" => "%%{[@metadata][kafka][topic]}" } }
  if [n] == 13 { drop { } }
}
output {
  kafka { bootstrap_servers => "%(brokers)s" topic_id => "conf-out" codec => json acks => all
    message_key => "%%{n}" compression_type => zstd }
  elasticsearch { hosts => "%(cluster)s" data_stream => true data_stream_dataset => "conf" }
}
"""


@pytest_asyncio.fixture
async def elasticsearch() -> AsyncIterator[FakeElasticsearch]:
    async with FakeElasticsearch() as fake:
        yield fake


@pytest_asyncio.fixture
async def server(
    tmp_path: Path, kafka: Kafka, elasticsearch: FakeElasticsearch
) -> AsyncIterator[ServerProcess]:
    for topic in ("conf-in", "conf-out"):
        kafka.create_topic(topic, partitions=2)
    config = tmp_path / "logstash.conf"
    words = {"brokers": kafka.bootstrap, "cluster": elasticsearch.url}
    config.write_text(CONFIG % words, encoding="utf-8")
    values = server_values(compile_logstash(load_logstash(config, {})))
    found = ServerProcess(tmp_path, {"profile": str(config), **values})
    yield found
    found.discard()


async def settled(server: ServerProcess) -> dict[str, int]:
    """Events of the source that are safe, and those that are not."""
    row: dict[str, int] = (await server.status())["kafka"]["kafka"]["events"]
    return row


async def test_nothing_is_lost_between_topics_when_the_server_is_killed(
    server: ServerProcess, kafka: Kafka, elasticsearch: FakeElasticsearch
) -> None:
    values = [json.dumps({"n": n, "text": "x" * 200}).encode() for n in range(EVENTS)]
    half = EVENTS // 2
    await asyncio.to_thread(send, kafka.bootstrap, "conf-in", *values[:half])
    await server.start()

    async def has_begun() -> bool:
        return (await settled(server))["settled"] > 0

    await until_told(has_begun)
    await asyncio.to_thread(send, kafka.bootstrap, "conf-in", *values[half:], partition=1)
    server.kill()
    await server.start()

    async def is_committed() -> bool:
        found = await asyncio.to_thread(
            committed, kafka.bootstrap, "conf-in", group="conf", partitions=2
        )
        return found == [half, half]

    await until_told(is_committed, seconds=120)
    assert (await settled(server))["outstanding"] == 0
    assert await server.stop() == 0

    wanted = sorted(set(range(EVENTS)) - {13})
    stored = elasticsearch.documents("logs-conf-default")
    assert sorted(one["n"] for one in stored) == wanted
    assert {one["from"] for one in stored} == {"conf-in"}
    sent = await asyncio.to_thread(records, kafka.bootstrap, "conf-out", len(wanted))
    found = {int(one.key or b"-1"): json.loads(one.value or b"null") for one in sent}
    assert sorted(found) == wanted
    assert all(one["n"] == n and one["from"] == "conf-in" for n, one in found.items())
