from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.server.assembly import build, build_sinks, read_profile, sink_settings
from ptingest.server.process.clock import SystemClock
from ptingest.server.requirements import require_kafka
from ptingest.telemetry.metrics import Metrics
from tests.support.settings import server_settings
from tests.support.streams import streams_of


async def test_without_sinks_documents_go_to_the_store(tmp_path: Path) -> None:
    sinks = build_sinks(server_settings(tmp_path), streams_of("django"), SystemClock(), Metrics())

    assert [sink.name for sink in sinks] == ["store"]
    for sink in sinks:
        await sink.close()


async def test_every_configured_sink_gets_a_lane_of_its_own(tmp_path: Path) -> None:
    settings = server_settings(
        tmp_path,
        sinks={
            "ndjson": {},
            "store": {},
            "elasticsearch": {"hosts": ["http://127.0.0.1:9"], "concurrency": 3},
        },
    )

    parts = build(settings, read_profile(settings, {}), clock=SystemClock())

    assert [sink.name for sink in parts.sinks] == ["store", "elasticsearch", "ndjson"]
    assert [lane.name for lane in parts.lanes] == ["store", "elasticsearch", "ndjson"]
    assert [one.concurrency for one in sink_settings(settings)] == [1, 3, 1]
    for sink in parts.sinks:
        await sink.close()


def test_half_of_total_bytes_is_for_documents(tmp_path: Path) -> None:
    settings = server_settings(tmp_path, beats={"limits": {"total_bytes": "10MiB"}})

    parts = build(settings, read_profile(settings, {}), clock=SystemClock(), replaced=[])

    assert parts.budget.limit == 5 << 20


def test_a_profile_of_ones_own_is_read_and_a_broken_one_named(tmp_path: Path) -> None:
    broken = tmp_path / "my.yaml"
    broken.write_text("groups: 7\n")

    with pytest.raises(ConfigInvalid, match=r"my\.yaml:1: groups"):
        read_profile(server_settings(tmp_path, profile=str(broken)), {})


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"role": "receive", "buffer": {"kafka": {"brokers": ["127.0.0.1:9"]}}}, "buffer.kafka"),
        ({"role": "index", "buffer": {"kafka": {"brokers": ["127.0.0.1:9"]}}}, "buffer.kafka"),
        ({"kafka": {"brokers": ["127.0.0.1:9"], "topics": ["logs"]}}, "kafka"),
        ({"sinks": {"kafka": {"brokers": ["127.0.0.1:9"]}}}, "sinks.kafka"),
    ],
)
async def test_a_missing_client_of_kafka_is_what_is_wrong_with_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: dict[str, object], path: str
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    settings = server_settings(tmp_path, **section)

    with pytest.raises(ConfigInvalid) as refused:
        build(settings, read_profile(settings, {}), clock=SystemClock())

    (problem,) = refused.value.problems
    assert problem.path == path
    assert "pip install" in problem.seen


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"role": "receive", "buffer": {"kafka": {}}}, "buffer.kafka"),
        ({"kafka": {"topics": ["logs"]}}, "kafka"),
    ],
)
async def test_a_file_that_the_client_of_kafka_cannot_read_is_what_is_wrong_with_the_config(
    tmp_path: Path, section: dict[str, Any], path: str
) -> None:
    reached = {"brokers": ["127.0.0.1:9"], "tls": {"ca_file": str(tmp_path / "none.pem")}}
    (section["buffer"]["kafka"] if "buffer" in section else section["kafka"]).update(reached)
    settings = server_settings(tmp_path, **section)

    with pytest.raises(ConfigInvalid) as built:
        build(settings, read_profile(settings, {}), clock=SystemClock())
    with pytest.raises(ConfigInvalid) as checked:
        require_kafka(settings)

    for refused in (built, checked):
        (problem,) = refused.value.problems
        assert problem.path == path
        assert "ssl.ca.location" in problem.seen
