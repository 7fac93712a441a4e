"""A server whose rules are a logstash.conf, from the socket to the sinks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from ptingest.errors import ConfigInvalid
from ptingest.model.document import LARGE_BYTES
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.model.watching import WhyRequest
from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.server.assembly import read_profile
from ptingest.server.reload import compile_config, put_in_force
from ptingest.settings.logstash import ConfFile, LogstashSettings
from ptingest.settings.server import ServerSettings
from tests.support.raw_peer import event
from tests.support.serving import Server, serving

ORIGIN = Origin(peer="192.0.2.7:1")
CONFIG = """
filter {
  if [message] == "drop me" { drop {} }
}
output {
  elasticsearch { index => "all" }
  if [message] == "twice" { elasticsearch { index => "some-%{service}" id => "second" } }
}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "logstash.conf"
    path.write_text(CONFIG)
    return path


async def admit(server: Server, *payloads: bytes) -> Receipt:
    receipt = Receipt(lambda _: None)
    receipt.fates = []
    await server.worker.parts.flow.admit(payloads, receipt, ORIGIN)
    receipt.seal()
    return receipt


async def test_an_event_of_two_outputs_is_two_documents_and_its_window_waits_for_both(
    tmp_path: Path, config: Path
) -> None:
    async with serving(tmp_path, profile=config) as server:
        payloads = [event(message=text) for text in ("once", "twice", "drop me")]

        receipt = await admit(server, *payloads)
        await server.until("ptingest_lane_settled_events_total", 3, "memory", "django", "stored")

        assert receipt.closed
        assert receipt.failed is None
        names = sorted(document.target.name for document in server.sink.documents)
        assert names == ["all", "all", "some-django"]
        assert server.metric("ptingest_flow_received_events_total", "django") == 3
        assert server.metric("ptingest_flow_added_events_total", "memory", "django") == 1
        assert server.metric("ptingest_flow_dropped_events_total", "django", "filter") == 1
        assert set(server.residues()) == {0}


async def test_each_sink_has_books_of_its_own(tmp_path: Path, config: Path) -> None:
    sinks = {"store": {}, "ndjson": {}}
    async with serving(tmp_path, profile=config, sinks=sinks) as server:
        receipt = await admit(server, event(message="twice"), event(message="once"))
        for sink in sinks:
            await server.until("ptingest_lane_settled_events_total", 3, sink, "django", "stored")

        assert receipt.closed
        assert set(server.residues()) == {0}


async def test_a_large_event_becomes_its_documents_in_the_other_process(
    tmp_path: Path, config: Path
) -> None:
    async with serving(tmp_path, profile=config) as server:
        large = event(message="twice", filler="x" * (LARGE_BYTES + 1))

        await admit(server, large)
        await server.until("ptingest_lane_settled_events_total", 2, "memory", "django", "stored")

        names = [document.target.name for document in server.sink.documents]
        assert names == ["all", "some-django"]
        assert all(document.payload == large for document in server.sink.documents)


async def test_why_tells_the_way_of_an_event_and_only_the_sinks_it_is_for(
    tmp_path: Path, config: Path
) -> None:
    text = CONFIG.replace("output {", f'output {{ file {{ path => "{tmp_path}/out.log" }}')
    await asyncio.to_thread(config.write_text, text)
    sinks: dict[str, object] = {"store": {}, "file": {}}
    async with serving(tmp_path, profile=config, sinks=sinks) as server:
        await admit(server, event(message="once"))
        for sink in sinks:
            await server.until("ptingest_lane_settled_events_total", 1, sink, "django", "stored")

        answer = await server.worker.parts.trace_reader.why(WhyRequest(line="once"))

    found = answer["found"]
    assert isinstance(found, list)
    assert sorted([*trace["sinks"]] for trace in found) == [["file"], ["store"]]
    way = [(one["text"], one["outcome"]) for one in found[0]["passages"]]
    assert way == [
        ('if [message] == "drop me"', "false"),
        ('if [message] == "twice"', "false"),
    ]


async def test_a_reload_swaps_the_config_and_loses_no_count_of_its_filters(
    tmp_path: Path, config: Path
) -> None:
    text = (
        'filter { mutate { id => "m" add_field => { "v" => "%s" } } } output { elasticsearch {} }'
    )
    await asyncio.to_thread(config.write_text, text % 1)
    async with serving(tmp_path, profile=config) as server:
        parts = server.worker.parts
        await admit(server, event(message="one"))
        await asyncio.to_thread(config.write_text, text % 2)
        rules = await asyncio.to_thread(read_profile, parts.settings, {})

        put_in_force(parts, compile_config(parts.settings, rules))
        await admit(server, event(message="two"))
        await server.until("ptingest_lane_settled_events_total", 2, "memory", "django", "stored")
        parts.metrics.refresh()

        assert [orjson.loads(one.body)["v"] for one in server.sink.documents] == ["1", "2"]
        assert server.metric("ptingest_pipeline_plugin_events_total", "m", "mutate", "in") == 2


async def test_a_reload_whose_outputs_need_other_sinks_is_refused_and_changes_nothing(
    tmp_path: Path, config: Path
) -> None:
    sinks = {"ndjson": {}}
    async with serving(tmp_path, profile=config, sinks=sinks) as server:
        parts = server.worker.parts
        before = parts.processing.pipeline
        text = f'output {{ file {{ path => "{tmp_path}/x.log" }} }}'
        await asyncio.to_thread(config.write_text, text)
        wanted = {**parts.settings.model_dump(), "sinks": {"ndjson": {}, "file": {}}}
        settings = ServerSettings.model_validate(wanted)
        rules = await asyncio.to_thread(read_profile, settings, {})

        with pytest.raises(ConfigInvalid, match="restart the server"):
            put_in_force(parts, compile_config(settings, rules))

        assert parts.processing.pipeline is before


async def test_what_no_sink_takes_is_never_acked(tmp_path: Path, config: Path) -> None:
    async with serving(tmp_path, profile=config, sinks={"ndjson": {}}) as server:
        file = ConfFile(name="a.conf", text='output { file { path => "/x" } stdout {} }')
        rules = LogstashSettings(files=(file,), folder="/")
        server.worker.parts.processing.pipeline = compile_logstash(rules)
        receipt = Receipt(lambda _: None)

        with pytest.raises(AssertionError, match="no sink takes"):
            await server.worker.parts.flow.admit([event()], receipt, ORIGIN)

        assert not receipt.closed
