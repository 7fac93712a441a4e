from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ptingest.api.client import ServerClient
from ptingest.doctor.server_facts import ServerFacts, own_facts, read_facts, read_metrics
from ptingest.settings.api import ApiSettings
from ptingest.telemetry.exposition import exposition
from ptingest.telemetry.metrics import Metrics
from tests.support.raw_peer import C, J, W, event, peer_of
from tests.support.serving import serving

TEXT = """\
# TYPE ptingest_a counter
ptingest_a_total{service="django",what="x"} 2.0
ptingest_a_total{service="nginx",what="x"} 3.0
# TYPE ptingest_h histogram
ptingest_h_bucket{le="1.0"} 1.0
ptingest_h_bucket{le="+Inf"} 1.0
ptingest_h_count 1.0
ptingest_h_sum 0.5
"""


async def facts_of(listen: str) -> ServerFacts:
    with ServerClient(ApiSettings(listen=listen), seconds=10) as client:
        return await asyncio.to_thread(read_facts, client.url, client.get)


def test_metrics_are_added_up_by_label() -> None:
    facts = ServerFacts("here", metrics=read_metrics(TEXT))

    assert facts.total("ptingest_a_total", by=0) == {"django": 2, "nginx": 3}
    assert facts.value("ptingest_a_total") == 5
    assert facts.value("ptingest_h_count") == 1
    assert facts.value("nowhere") == 0
    assert "ptingest_h_bucket" not in facts.metrics


async def test_a_running_server_tells_status_and_metrics(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(2) + C(J(1) + J(2)))
        await peer.acks(1)

        facts = await facts_of(f"0.0.0.0:{server.worker.api_port}")

    assert facts.failure == ""
    assert facts.value("ptingest_flow_received_events_total") == 2
    (row,) = facts.status["beats"]["listed"]
    assert (row["compresses"], row["largest_window"], row["pipelines"]) == (True, 2, False)
    assert "files_known_by" in row


async def test_a_beat_that_does_not_wait_for_acks_is_seen_to_pipeline(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        server.sink.open.clear()
        await peer.send(W(1) + J(1, event(message="INFO|a|2025-01-02T03:04:05Z|1")))
        await server.sink.asked.wait()
        await peer.send(W(1) + J(1, event(message="INFO|a|2025-01-02T03:04:05Z|2")))
        await server.until("ptingest_beats_windows_total", 2)
        server.sink.open.set()
        await peer.acks(2)

        facts = await facts_of(f"127.0.0.1:{server.worker.api_port}")

    (row,) = facts.status["beats"]["listed"]
    assert (row["compresses"], row["pipelines"]) == (False, True)


@pytest.mark.parametrize("listen", ["127.0.0.1:9", "[::1]:9"])
async def test_nobody_there_is_a_fact(listen: str) -> None:
    facts = await facts_of(listen)

    assert facts.failure != ""
    assert facts.where.endswith(":9")


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"{}", "not ptingest"),
        (b"[]", "not ptingest"),
        (b"<html>", "unexpected"),
        (b"\xff", "utf-8"),
    ],
)
def test_what_is_no_ptingest_is_a_fact(body: bytes, failure: str) -> None:
    facts = read_facts("http://there:1", lambda path: body)

    assert failure in facts.failure.lower()


def test_a_server_reads_its_own_metrics_as_a_client_would() -> None:
    metrics = Metrics()
    metrics.add("ptingest_lane_settled_events_total", 3, "store", "django", "stored")
    metrics.add("ptingest_beats_acks_total", 2)
    metrics.observe("ptingest_beats_ack_seconds", 0.2)

    own = own_facts({"pid": 7}, metrics, 1000.0)

    read = read_metrics(exposition(metrics).decode())
    assert own.metrics == {name: read[name] for name in own.metrics}
    assert own.total("ptingest_lane_settled_events_total", by=0) == {"stored": 3}
    assert (own.status, own.asked_at) == ({"pid": 7}, 1000.0)
