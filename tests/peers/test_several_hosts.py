"""A real node behind three hosts, of which one gets into trouble: the others carry the load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.fakes.beat import Beat
from tests.fakes.tcp_proxy import Proxy
from tests.peers.elasticsearch_peer import Node
from tests.support.raw_peer import event
from tests.support.serving import Server, serving
from tests.support.waiting import until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

EVENTS, SIZE, BEATS = 3000, 20, 3
RETRY = {"initial_seconds": 0.05, "max_seconds": 0.5}
SOON_SECONDS = 60.0
"""How long a trouble may hold everything up on a busy machine; measured are 0.1 to 6 s."""


async def dies(proxy: Proxy) -> None:
    await proxy.die()


async def hangs(proxy: Proxy) -> None:
    proxy.hang()


async def is_slow(proxy: Proxy) -> None:
    proxy.slow(0.2)


async def refuses_the_login(proxy: Proxy) -> None:
    proxy.answer(401, b'{"error":{"type":"security_exception","reason":"no"},"status":401}')


async def is_drained(proxy: Proxy) -> None:
    proxy.answer(503, b"no server is available")


def payload(service: str, number: int) -> bytes:
    return event(
        f"INFO|apps.parcels.views|2025-01-02T03:04:05Z|{number}",
        service=service,
        agent={"id": "several-hosts"},
        host={"name": "web-1"},
        log={"offset": number, "file": {"path": f"/var/log/{service}.log"}},
    )


def windows(service: str, beat: int) -> list[list[bytes]]:
    numbers = range(beat, EVENTS, BEATS)
    places = range(0, len(numbers), SIZE)
    return [[payload(service, number) for number in numbers[at : at + SIZE]] for at in places]


def safe(server: Server) -> float:
    """How many events are stored, also by a write that was given up."""
    settled = server.worker.parts.metrics.labelled("ptingest_lane_settled_events_total")
    return sum(value for _, value in settled)


async def seconds_until(server: Server, count: float) -> float:
    began = time.monotonic()
    await until(lambda: safe(server) >= count, seconds=SOON_SECONDS)
    return time.monotonic() - began


@pytest.mark.parametrize("trouble", [dies, hangs, is_slow, refuses_the_login, is_drained])
async def test_the_other_hosts_carry_the_load(
    elasticsearch: Node,
    tmp_path: Path,
    trouble: Callable[[Proxy], Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = f"host{trouble.__name__}".replace("_", "")
    async with AsyncExitStack() as running:
        proxies = [await running.enter_async_context(Proxy(elasticsearch.port)) for _ in range(3)]
        hosts = [f"http://127.0.0.1:{proxy.port}" for proxy in proxies]
        sink = {"hosts": hosts, "retry": RETRY, "batch": {"max_age_seconds": 0.02}}
        sinks = {elasticsearch.release.product: sink}
        server = await running.enter_async_context(serving(tmp_path, sinks=sinks))
        group = await running.enter_async_context(asyncio.TaskGroup())
        for number in range(BEATS):
            beat = Beat(server.port, timeout_seconds=60)
            group.create_task(beat.deliver(windows(service, number)))
        await until(lambda: safe(server) >= EVENTS / 10 and all(p.answered_bytes for p in proxies))
        await trouble(proxies[0])
        seconds = await seconds_until(server, safe(server) + EVENTS / 2)
    refused = proxies[0].answered_itself
    print(f"{trouble.__name__}: half of all events after {seconds:.1f} s, {refused} refused")

    rests = [said for said in caplog.messages if "rests while other hosts answer" in said]
    assert len(rests) == (trouble in (refuses_the_login, is_drained))
    assert all(said.startswith(hosts[0]) for said in rests)
    assert server.letters() == []
    hits = await asyncio.to_thread(elasticsearch.documents, f"logs-{service}-pt")
    found = [int(hit["_source"]["message"].rpartition("|")[2]) for hit in hits]
    assert sorted(found) == list(range(EVENTS))
