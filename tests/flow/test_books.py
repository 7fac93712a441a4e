"""The books balance at every moment, whatever the sink answers and however peers leave."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from ptingest.model.document import Document
from ptingest.model.outcome import Refusal, WriteResult
from tests.fakes.beat import Beat
from tests.support.raw_peer import C, J, W, event, peer_of
from tests.support.serving import MemorySink, Server, serving


class MoodySink(MemorySink):
    """Answers each document as a seeded die falls, but never forgets what it stored."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)
        self.failure_stored: list[Document] = []

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        await asyncio.sleep(self._dice.random() / 200)  # no race: answers take any time
        piles: dict[str, list[Document]] = {}
        moods = ["stored"] * 12 + ["busy", "doubtful", "lied", "refused", "failure_stored"]
        again = []
        for one in documents:
            if one.key in self.keys:
                again.append(one)
            else:
                piles.setdefault(self._dice.choice(moods), []).append(one)
        for one in piles.get("stored", []) + piles.get("lied", []):
            assert one.key is not None
            self.keys.add(one.key)
            self.documents.append(one)
        self.failure_stored += piles.get("failure_stored", [])
        return WriteResult(
            already_stored=again,
            failure_stored=piles.get("failure_stored", []),
            refused=[Refusal(one, "refused", "no") for one in piles.get("refused", [])],
            busy=piles.get("busy", []),
            # The answer to "lied" never came although they were stored.
            doubtful=piles.get("doubtful", []) + piles.get("lied", []),
        )


def unique_event(beat: int, number: int) -> bytes:
    if number % 17 == 0:
        return b'{"broken": '
    group = "crm" if number % 13 == 0 else "pt"
    return event(
        f"INFO|apps.parcels.views|2025-01-02T03:04:05Z|beat {beat} number {number}",
        group=group,
        service=("django", "celery", "nginx")[number % 3],
        agent={"id": f"beat-{beat}"},
        host={"name": "web"},
        log={"offset": number, "file": {"path": "/var/log/x.log"}},
    )


async def resetting_peer(server: Server, times: int) -> None:
    """Opens windows and leaves in the middle of their delivery."""
    for n in range(times):
        async with peer_of(server) as peer:
            await peer.send(W(40) + C(b"".join(J(i) for i in range(1, 41))))
            await asyncio.sleep(0.001 * n)  # no race: any moment of the delivery will do
            peer.writer.transport.abort()


@pytest.mark.parametrize("seed", range(6))
async def test_received_equals_the_sum_of_fates_at_every_moment(seed: int, tmp_path: Path) -> None:
    sink = MoodySink(seed)
    async with serving(tmp_path, sink=sink) as server:
        beats = [Beat(server.port, pipelining=n % 4) for n in range(5)]
        windows = [
            [[unique_event(n, 100 * w + i) for i in range(100)] for w in range(5)]
            for n in range(len(beats))
        ]
        work = asyncio.gather(
            *[beat.deliver(mine) for beat, mine in zip(beats, windows, strict=True)],
            resetting_peer(server, 8),
        )
        looks = 0
        while not work.done():
            assert set(server.residues()) <= {0}
            looks += 1
            await asyncio.sleep(0.002)  # no race: looks as often as it can, and once at least
        await work

        books = server.worker.view.books()["memory"]
        assert looks > 0
        assert sum(row["in_flight"] for row in books.values()) == 0

    acked = [payload for beat in beats for window in beat.acked for payload in window]
    assert sum(map(len, windows)) * 100 == len(acked)
    safe = Counter(one.payload for one in sink.documents + sink.failure_stored)
    safe.update(letter.payload for letter in server.letters())
    for payload in set(acked):
        if b'"crm"' not in payload:
            assert safe[payload], payload
    stored = Counter(orjson.loads(one.body)["message"] for one in sink.documents if one.key)
    assert max(stored.values()) == 1


async def test_a_dead_peers_documents_are_given_back_and_leave_the_budget(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, concurrency=1) as server:
        server.sink.open.clear()
        async with peer_of(server) as peer:
            await peer.send(W(200) + C(b"".join(J(i) for i in range(1, 201))))
            await server.sink.asked.wait()
            await peer.send(W(200) + C(b"".join(J(i) for i in range(1, 201))))
            await server.until("ptingest_flow_received_events_total", 400, "django")
            peer.writer.transport.abort()
        await server.until(
            "ptingest_lane_settled_events_total", 200, "memory", "django", "given_back"
        )

        assert set(server.residues()) == {0}
        server.sink.open.set()
        await server.until("ptingest_lane_settled_events_total", 200, "memory", "django", "stored")
        assert server.worker.parts.budget.outstanding == 0
        assert server.metric("ptingest_beats_acks_total") == 0


async def test_acks_leave_in_wire_order_when_windows_become_safe_out_of_order(
    tmp_path: Path,
) -> None:
    class LateFirst(MemorySink):
        """Holds back the first batch until the second is in."""

        def __init__(self) -> None:
            super().__init__()
            self.second = asyncio.Event()
            self.batches = 0

        async def write(
            self, documents: Sequence[Document], doubtful: frozenset[Document]
        ) -> WriteResult:
            self.batches += 1
            if self.batches == 1:
                self.asked.set()
                await self.second.wait()
            self.documents += documents
            return WriteResult()

    sink = LateFirst()
    async with serving(tmp_path, sink=sink, keepalive_seconds=60) as server:
        async with peer_of(server) as peer:
            await peer.send(W(2) + J(1) + J(2))
            await sink.asked.wait()
            await peer.send(W(2) + J(11) + J(12))
            await server.until(
                "ptingest_lane_settled_events_total", 2, "memory", "django", "stored"
            )
            assert server.metric("ptingest_beats_acks_total") == 0
            sink.second.set()

            assert await peer.acks(2) == [(2, 2), (2, 12)]
