"""A server whose logstash.conf reads Kafka, from the brokers to the sinks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from ptingest.model.document import LARGE_BYTES
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.model.watching import WhyRequest
from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.server.logstash_settings import server_values
from ptingest.settings.logstash import load_logstash
from tests.fakes.kafka import MockKafka
from tests.support.kafka import committed, records, send
from tests.support.raw_peer import event
from tests.support.serving import Server, serving
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)

INPUT = """input {
  beats { port => 5044 }
  kafka {
    bootstrap_servers => "%s" topics => ["logs"] group_id => "%s" decorate_events => extended
    auto_offset_reset => earliest auto_commit_interval_ms => 100 %s
  }
}
"""
TO_ELASTICSEARCH = """output {
  if [@metadata][kafka] { elasticsearch { index => "from-%{[@metadata][kafka][topic]}" } }
  else { elasticsearch { index => "beats" } }
}"""


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as cluster:
        cluster.create_topic("logs")
        yield cluster


@asynccontextmanager
async def running(
    tmp_path: Path,
    kafka: MockKafka,
    text: str,
    options: str = "",
    *,
    group: str = "group",
    **words: Any,
) -> AsyncIterator[Server]:
    """A server of a whole logstash.conf, whose documents go to a memory or to ``sinks``."""
    config = tmp_path / "logstash.conf"
    config.write_text(INPUT % (kafka.bootstrap, group, options) + text)
    values = server_values(compile_logstash(load_logstash(config, {})))
    others = {"kafka": values["kafka"]}
    async with serving(tmp_path, profile=config, others=others, **words) as server:
        yield server


async def test_records_and_windows_pass_the_same_filters_each_from_its_own_input(
    tmp_path: Path, kafka: MockKafka
) -> None:
    headers = [("trace", b"t1")]
    send(kafka.bootstrap, "logs", b"a\tline", headers=headers)
    filters = """filter {
      mutate { add_field => { "trace" => "%{[@metadata][kafka][headers][trace]}" } }
    }"""
    async with running(tmp_path, kafka, filters + TO_ELASTICSEARCH) as server:
        await until(lambda: server.sink.documents)
        receipt = Receipt(lambda _: None)
        flow = server.worker.parts.flow
        await flow.admit([event(message="beat")], receipt, Origin(peer="192.0.2.7:1"))
        await until(lambda: len(server.sink.documents) == 2)
        await until(lambda: committed(kafka.bootstrap, "logs") == [1])

        answer = await server.worker.parts.trace_reader.why(WhyRequest(line="a\tline"))

    record, beat = server.sink.documents
    assert record.target.name == "from-logs"
    body = orjson.loads(record.body)
    assert (body["message"], body["trace"], "tags" in body) == ("a\tline", "t1", False)
    assert orjson.loads(beat.body)["tags"] == ["beats_input_codec_plain_applied"]
    found = answer["found"]
    assert isinstance(found, list)
    assert len(found) == 1


async def test_a_record_read_twice_has_the_same_key_and_a_large_one_its_metadata(
    tmp_path: Path, kafka: MockKafka
) -> None:
    large = b"x" * (LARGE_BYTES + 1)
    send(kafka.bootstrap, "logs", b"small", large)
    found = []
    for group in ("group", "other"):
        folder = tmp_path / group
        folder.mkdir()
        async with running(folder, kafka, TO_ELASTICSEARCH, group=group) as server:
            await until(lambda: len(server.sink.documents) == 2)
        found.append({one.key: one.target.name for one in server.sink.documents})

    first, second = found
    assert first == second
    assert None not in first
    assert set(first.values()) == {"from-logs"}


async def test_a_record_that_no_codec_reads_is_a_letter_with_its_place(
    tmp_path: Path, kafka: MockKafka
) -> None:
    send(kafka.bootstrap, "logs", None)
    async with running(tmp_path, kafka, TO_ELASTICSEARCH, "codec => json") as server:
        await until(lambda: committed(kafka.bootstrap, "logs") == [1])
    (letter,) = server.letters()

    assert letter.reason == "empty"
    assert "topic logs, partition 0, offset 0" in letter.detail
    assert b'"topic":"logs"' in letter.payload


TO_BOTH = """output {
  kafka {
    bootstrap_servers => "%s" topic_id => "out-%%{[@metadata][kafka][topic]}"
    message_key => "%%{[@metadata][kafka][offset]}" codec => plain { format => "<%%{message}>" }
  }
  if [message] == "both" { elasticsearch { } }
}"""


async def test_events_go_from_topic_to_topic_and_what_has_two_outputs_waits_for_both(
    tmp_path: Path, kafka: MockKafka
) -> None:
    kafka.create_topic("out-logs")
    large = b"y" * (LARGE_BYTES + 1)
    send(kafka.bootstrap, "logs", b"one", b"both", large)
    sinks = {"kafka": {"brokers": kafka.bootstrap}, "store": {}}

    async with running(tmp_path, kafka, TO_BOTH % kafka.bootstrap, sinks=sinks) as server:
        await until(lambda: committed(kafka.bootstrap, "logs") == [3])
        found = await asyncio.to_thread(records, kafka.bootstrap, "out-logs", 3)
        settled = "ptingest_lane_settled_events_total"
        assert server.metric(settled, "kafka", "other", "stored") == 3
        assert server.metric(settled, "store", "other", "stored") == 1

    assert [(one.key, one.value) for one in found] == [
        (b"0", b"<one>"),
        (b"1", b"<both>"),
        (b"2", b"<" + large + b">"),
    ]


async def test_a_name_that_no_topic_has_is_a_letter(tmp_path: Path, kafka: MockKafka) -> None:
    text = 'output { kafka { bootstrap_servers => "%s" topic_id => "a b" } }'
    send(kafka.bootstrap, "logs", b"x")
    sinks = {"kafka": {"brokers": kafka.bootstrap}}

    async with running(tmp_path, kafka, text % kafka.bootstrap, sinks=sinks) as server:
        await until(lambda: committed(kafka.bootstrap, "logs") == [1])

    assert [one.reason for one in server.letters()] == ["illegal_topic"]
