"""From a Beat's socket into real data streams and back: the whole path, with a real node."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks import corpus
from ptingest.server.assembly import read_profile
from ptingest.settings.server import ServerSettings
from tests.fakes.beat import Beat
from tests.peers.elasticsearch_peer import (
    SUPERUSER,
    Node,
    Release,
    install_template,
    start_elasticsearch,
)
from tests.support.raw_peer import event
from tests.support.serving import Server, serving
from tests.support.waiting import until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

SERVICES = ("django", "celery", "celerybeat", "flower", "nginx", "react")
RETRY = {"initial_seconds": 0.05, "max_seconds": 0.5}
_names = itertools.count()


def sinks_for(node: Node, **more: Any) -> dict[str, Any]:
    return {node.release.product: {"hosts": [node.url], "retry": RETRY, **more}}


def windows_of(events: list[bytes], size: int = 500) -> list[list[bytes]]:
    return [events[at : at + size] for at in range(0, len(events), size)]


def a_service() -> str:
    """A service nobody else writes to in this run."""
    return f"whole{next(_names)}"


def numbered(service: str, count: int, **more: Any) -> list[bytes]:
    return [
        event(
            f"INFO|apps.parcels.views|2025-01-02T03:04:05Z|{service} {n}",
            service=service,
            agent={"id": "whole-path"},
            host={"name": "web-1"},
            log={"offset": n, "file": {"path": f"/var/log/{service}.log"}},
            **more,
        )
        for n in range(count)
    ]


async def stored(node: Node, service: str) -> list[dict[str, Any]]:
    return await asyncio.to_thread(node.documents, f"logs-{service}-pt")


def expected_documents(events: list[bytes]) -> dict[str, list[Any]]:
    """What each data stream should hold, by the pipeline's own explanation of each event."""
    from ptingest.pipeline.compile import compile_profile

    pipeline = compile_profile(read_profile(ServerSettings(), {}))
    found: dict[str, list[Any]] = {}
    for payload in events:
        explained = pipeline.explain(payload, now_ns=0)
        assert explained.data_stream is not None
        found.setdefault(explained.data_stream, []).append(explained.document)
    return found


def in_order(documents: list[Any]) -> list[bytes]:
    return sorted(orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in documents)


@pytest.mark.every_release
async def test_six_services_land_whole_in_six_streams_and_a_resend_doubles_nothing(
    elasticsearch: Node, tmp_path: Path
) -> None:
    for service in SERVICES:
        elasticsearch.request("DELETE", f"/_data_stream/logs-{service}-pt")
    events = corpus.events(3000, 7)
    async with serving(tmp_path, sinks=sinks_for(elasticsearch)) as server:
        # Alone, since a busy node takes seconds to make streams: that must not look like a write
        # that is never answered while others are.
        await Beat(server.port).deliver(windows_of(events[:50]))
        await Beat(server.port).deliver(windows_of(events[50:]))
        first = fates(server)
        await Beat(server.port, compression_level=0).deliver(windows_of(events, 700))
        second = fates(server)

    # On a busy machine a bulk may be given up that the node takes all the same: its documents are
    # known by their keys when they are sent again.
    assert first.keys() <= {"stored", "already_stored"}
    assert sum(first.values()) == 3000
    assert second == {**first, "already_stored": first.get("already_stored", 0) + 3000}
    expected = expected_documents(events)
    assert sorted(expected) == sorted(f"logs-{service}-pt" for service in SERVICES)
    for service in SERVICES:
        hits = await stored(elasticsearch, service)
        wanted = expected[f"logs-{service}-pt"]
        assert in_order([hit["_source"] for hit in hits]) == in_order(wanted)


async def test_a_mapping_conflict_is_a_dead_letter_and_its_neighbours_are_stored(
    elasticsearch: Node, tmp_path: Path
) -> None:
    service = a_service()
    good, bad = numbered(service, 20, n=1), numbered(service, 1, n="not a number")
    odd = bad[0].replace(b'"offset":0', b'"offset":99')
    async with serving(tmp_path, sinks=sinks_for(elasticsearch)) as server:
        await Beat(server.port).deliver([good[:10]])
        await Beat(server.port).deliver([[*good[10:15], odd, *good[15:]]])

        assert fates(server) == {"stored": 20, "dead_lettered": 1}
        (letter,) = server.letters()
    assert letter.payload == odd
    assert letter.data_stream == f"logs-{service}-pt"
    assert "failed to parse field [n]" in letter.detail
    assert len(await stored(elasticsearch, service)) == 20


async def test_bodies_over_the_nodes_limit_are_split_until_they_fit(
    secured_elasticsearch: Node, tmp_path: Path
) -> None:
    service = a_service()
    events = [payload.replace(b"/var/log", b"x" * 20_000) for payload in numbered(service, 150)]
    login = {"username": SUPERUSER[0], "password": SUPERUSER[1]}
    sinks = sinks_for(secured_elasticsearch, **login)
    async with serving(tmp_path, sinks=sinks) as server:
        await Beat(server.port).deliver([events])

        assert fates(server) == {"stored": 150}
    assert len(await stored(secured_elasticsearch, service)) == 150


async def test_no_template_then_kill_9_in_mid_stream_and_still_everything_once(
    release: Release, tmp_path: Path
) -> None:
    service = a_service()
    events = numbered(service, 6000)
    node = await asyncio.to_thread(start_elasticsearch, tmp_path / "node", release)
    try:
        async with serving(tmp_path, sinks=sinks_for(node), drain_seconds=20) as server:
            beat = Beat(server.port, timeout_seconds=60)
            delivering = asyncio.ensure_future(beat.deliver(windows_of(events, 100)))
            await until(lambda: "template" in "".join(server.worker.view.readiness()))
            assert fates(server) == {}
            await asyncio.to_thread(install_template, node)
            await until(lambda: fates(server).get("stored", 0) >= 1000)

            node.kill()
            node = await asyncio.to_thread(
                start_elasticsearch, tmp_path / "node", release, port=node.port
            )
            await delivering

            assert server.worker.view.readiness() == []
            assert sum(fates(server).values()) >= 6000
        documents = await stored(node, service)
    finally:
        node.kill()
    messages = [one["_source"]["message"].rpartition(" ")[2] for one in documents]
    assert sorted(map(int, messages)) == list(range(6000))


def fates(server: Server) -> dict[str, int]:
    """How events ended, over all services."""
    found: dict[str, int] = {}
    for labels, value in server.worker.parts.metrics.labelled("ptingest_lane_settled_events_total"):
        found[labels[2]] = found.get(labels[2], 0) + int(value)
    return found
