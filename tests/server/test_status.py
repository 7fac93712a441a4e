from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import orjson

from ptingest.api.app import PATHS
from ptingest.telemetry.exposition import exposition
from tests.fakes.authority import Authority, tls_settings
from tests.support.raw_peer import C, J, RawPeer, W, event, peer_of
from tests.support.serving import serving
from tests.support.waiting import until

SHOW_EVENTS = {"/tap", "/why"}
"""What they are for; whom they are shown to is another test's."""


async def test_status_tells_the_limits_beside_what_they_bound(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        status = orjson.loads(orjson.dumps(server.worker.view.status()))

    assert status["budget"]["limit_bytes"] == 64 << 20
    assert status["beats"]["waiting_bytes_limit"] == 64 << 20
    assert status["beats"]["connections_limit"] == 4096
    assert status["dead_letters"]["limit_bytes"] == 1 << 30
    assert status["lanes"]["memory"]["concurrency"] >= 1


async def test_books_show_what_is_in_flight_where_it_waits(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        server.sink.open.clear()
        async with peer_of(server) as peer:
            await peer.send(W(3) + C(J(1) + J(2) + J(3, b"{}")))
            await server.sink.asked.wait()

            row = server.worker.view.books()["memory"]["django"]
            assert row == {"received": 2, "in_flight": 2, "residue": 0}
            server.sink.open.set()
            await peer.acks(1)

        row = server.worker.view.books()["memory"]["django"]
        assert row == {"received": 2, "in_flight": 0, "stored": 2, "residue": 0}


async def test_a_scrape_carries_the_books_and_their_residue(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        async with peer_of(server) as peer:
            await peer.send(W(1) + J(1))
            await peer.acks(1)

        text = exposition(server.worker.parts.metrics).decode()

    assert 'ptingest_flow_residue_events{service="django",sink="memory"} 0.0' in text
    assert (
        'ptingest_lane_settled_events_total{fate="stored",service="django",sink="memory"} 1.0'
        in text
    )


async def test_readiness_turns_red_for_a_stop(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        before = server.worker.view.readiness()
        server.worker.stop()
        await until(lambda: server.worker.view.draining)

        assert before == []
        assert server.worker.view.readiness() == ["draining: this process is stopping"]


async def test_no_path_shows_a_secret_or_the_text_of_an_event(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = tls_settings(authority.server(), key_password="geheim-key")
    texts = [b"geheim-event", b"geheim-service", b"geheim-token", b"geheim-key"]
    async with serving(tmp_path, tls=tls, api={"token": "geheim-token"}) as server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=authority.client_context()
        )
        peer = RawPeer(reader, writer)
        payloads = [
            event("ERROR|geheim-event|2025-01-02T03:04:05Z|geheim-event"),
            event("geheim-event", service="geheim-service"),
            event("geheim-event", service="Geheim/geheim-service"),
            b'"geheim-event"',
        ]
        await peer.send(W(4) + b"".join(J(n, one) for n, one in enumerate(payloads)))
        assert await peer.acks(1) == [(2, 3)]

        shown = {}
        headers = {"Authorization": "Bearer geheim-token"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for path in PATHS.keys() - SHOW_EVENTS:
                url = f"http://127.0.0.1:{server.worker.api_port}{path}"
                async with session.get(url) as answer:
                    shown[path] = await answer.read()
        await peer.close()

    assert set(shown) == PATHS.keys() - SHOW_EVENTS
    assert [(path, text) for path in shown for text in texts if text in shown[path]] == []
