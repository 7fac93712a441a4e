"""Limits for connections, in all and from one address."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.settings.beats import BeatsLimits
from ptingest.sources.beats.registry import CLOSED_LISTED, CLOSED_SECONDS, limit_reached
from tests.fakes.beat import Beat
from tests.support.raw_peer import peer_of
from tests.support.serving import serving
from tests.support.waiting import until

LIMITS = BeatsLimits(connections=10, connections_per_ip=5)


@pytest.mark.parametrize(
    ("connections", "from_address", "workers", "label"),
    [
        pytest.param(9, 4, 1, None, id="room for one more"),
        pytest.param(10, 0, 1, "connections", id="all taken"),
        pytest.param(5, 5, 1, "connections_per_ip", id="too many from one address"),
        pytest.param(5, 2, 2, None, id="the share of a worker is rounded up"),
        pytest.param(5, 3, 2, "connections_per_ip", id="more than the share of a worker"),
    ],
)
def test_a_limit_keeps_out_the_next_connection(
    connections: int, from_address: int, workers: int, label: str | None
) -> None:
    refused = limit_reached(
        LIMITS, connections=connections, from_address=from_address, workers=workers
    )

    assert (refused[0] if refused else None) == label


async def test_connections_are_counted_by_address_until_they_close(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        registry = server.worker.parts.source._connections
        async with peer_of(server, host="127.0.0.2"), peer_of(server, host="127.0.0.3"):
            await until(lambda: len(registry) == 2)
            counted = [registry.count_from(ip) for ip in ("127.0.0.2", "127.0.0.3", "127.0.0.4")]
            listed = [row["peer"] for row in registry.rows(0.0)]

        await until(lambda: not registry)
        assert counted == [1, 1, 0]
        assert [str(peer).partition(":")[0] for peer in listed] == ["127.0.0.2", "127.0.0.3"]
        assert registry.count_from("127.0.0.2") == 0


async def test_a_connection_stays_listed_for_a_while_after_its_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        source = server.worker.parts.source
        registry, now = source._connections, source.now()
        async with peer_of(server):
            await until(lambda: len(registry) == 1)  # a probe: it sends nothing
        await Beat(server.port).deliver(
            [[b'{"message":"x","agent":{"name":"pt-1"},"host":{"name":"web-1"},"group":"pt"}']]
        )
        await until(lambda: not registry)

        (row,) = source.status()["closed"]  # type: ignore[attr-defined]
        assert (row["host"], row["agent_name"], row["events"]) == ("web-1", "pt-1", 1)
        assert row["reason"] == "peer_closed"
        assert row["quiet_seconds"] >= 0
        assert registry.closed_rows(now + CLOSED_SECONDS + 60) == []


async def test_only_so_many_closed_connections_are_remembered(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        registry = server.worker.parts.source._connections
        for number in range(CLOSED_LISTED + 3):
            await Beat(server.port).deliver([[b'{"host":{"name":"web-%d"}}' % number]])
        await until(lambda: not registry)

        rows = registry.closed_rows(server.worker.parts.source.now())

    assert [row["host"] for row in rows] == [
        f"web-{number}" for number in range(CLOSED_LISTED + 2, 2, -1)
    ]
