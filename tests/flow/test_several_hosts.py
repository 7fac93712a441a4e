"""Two hosts of one cluster, one in trouble: the other takes over; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fakes.beat import Beat
from tests.fakes.elasticsearch import FakeElasticsearch, Reply
from tests.support.raw_peer import shipped
from tests.support.serving import serving
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

WINDOWS, SIZE = 60, 50
HEAD = "INFO|apps.parcels.views|2025-01-02T03:04:05Z|line"
RETRY = {"initial_seconds": 0.05, "max_seconds": 0.2}


async def dies(node: FakeElasticsearch) -> None:
    await node.stop()


async def hangs(node: FakeElasticsearch) -> None:
    node.always = Reply(gate=asyncio.Event())


async def is_slow(node: FakeElasticsearch) -> None:
    node.always = Reply(delay_seconds=0.1)


async def refuses_the_login(node: FakeElasticsearch) -> None:
    node.always = Reply(status=401)


async def is_drained(node: FakeElasticsearch) -> None:
    node.always = Reply(status=503, product=False)


def numbered(window: int) -> list[bytes]:
    places = range(window * SIZE, (window + 1) * SIZE)
    return [shipped(f"{HEAD} {place}", offset=place) for place in places]


@pytest.mark.parametrize("trouble", [dies, hangs, is_slow, refuses_the_login, is_drained])
async def test_the_other_host_carries_the_load(
    tmp_path: Path, trouble: Callable[[FakeElasticsearch], Awaitable[None]]
) -> None:
    one = FakeElasticsearch()
    async with one, one.beside() as two:
        sink = {"hosts": [one.url, two.url], "retry": RETRY}
        async with serving(tmp_path, sinks={"elasticsearch": sink}) as server:
            beat = Beat(server.port, timeout_seconds=40)
            delivering = asyncio.ensure_future(beat.deliver(map(numbered, range(WINDOWS))))
            await until(lambda: one.bulks and two.bulks and one.count >= 5 * SIZE)
            await trouble(two)
            before = len(one.bulks)

            await delivering

            assert server.letters() == []
            assert server.residues() == [0] * len(server.residues())
        assert len(one.bulks) > before
        messages = [row["message"] for row in one.documents("logs-django-pt")]
    lines = [f"{HEAD} {place}" for place in range(WINDOWS * SIZE)]
    assert sorted(messages) == sorted(lines)


async def test_hosts_are_those_of_the_config_and_no_others_are_asked_for(tmp_path: Path) -> None:
    async with FakeElasticsearch() as node:
        sink = {"hosts": [node.url]}
        async with serving(tmp_path, sinks={"elasticsearch": sink}) as server:
            await Beat(server.port).deliver([numbered(0)])

        assert not [one.path for one in node.requests if one.path.startswith("/_nodes")]
