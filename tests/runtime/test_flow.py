from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.model.event import Origin
from ptingest.model.outcome import Fate
from ptingest.model.receipt import Receipt
from ptingest.runtime.flow import CHUNK_BYTES, CHUNK_EVENTS, chunks, count_by_service
from tests.fakes.sink import Window
from tests.flow.harness import Server, event, serving

ORIGIN = Origin(peer="192.0.2.7:1")


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 1, 900, CHUNK_BYTES // 3, CHUNK_BYTES + 1]), max_size=40))
def test_chunks_keep_every_payload_in_order_and_small(sizes: list[int]) -> None:
    payloads = [bytes(size) for size in sizes]

    cut = [list(chunk) for chunk in chunks(payloads)]

    assert [payload for chunk in cut for payload in chunk] == payloads
    for chunk in cut:
        assert 0 < len(chunk) <= CHUNK_EVENTS
        assert len(chunk) == 1 or sum(map(len, chunk)) <= CHUNK_BYTES


def test_many_small_payloads_make_full_chunks() -> None:
    assert [len(chunk) for chunk in chunks([b"x"] * 600)] == [256, 256, 88]


def test_documents_are_counted_by_their_service() -> None:
    window = Window()
    documents = window.documents(2) + window.documents(1, service="celery")

    assert count_by_service(documents) == {"django": 2, "celery": 1}


def receipt_of(closed: list[Receipt]) -> Receipt:
    return Receipt(closed.append)


async def test_a_window_of_drops_and_letters_is_safe_without_any_sink(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        closed: list[Receipt] = []
        receipt = receipt_of(closed)

        await server.worker.parts.flow.admit(
            [b"not json", event(group="crm"), event(service=None)], receipt, ORIGIN
        )
        receipt.seal()

        assert closed == [receipt]
        assert receipt.failed is None
        assert [letter.reason for letter in server.letters()] == ["not_json"]
        assert fates(server) == {Fate.DEAD_LETTERED: 1, Fate.DROPPED: 2}
        assert server.sink.documents == []


async def test_full_dead_letters_fail_the_receipt_and_keep_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, dead_letters={"max_bytes": "1KiB"}) as server:
        closed: list[Receipt] = []
        receipt = receipt_of(closed)

        await server.worker.parts.flow.admit([b"x" * 2000], receipt, ORIGIN)

        assert receipt.failed is not None
        assert "dead_letters.max_bytes" in receipt.failed
        assert fates(server) == {Fate.GIVEN_BACK: 1}
        assert any("dead letters" in reason for reason in server.worker.view.readiness())


async def test_admission_cut_short_gives_everything_back(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"total_bytes": "64KiB"}) as server:
        server.sink.open.clear()
        closed: list[Receipt] = []
        receipt = receipt_of(closed)
        flow = server.worker.parts.flow
        admitting = asyncio.ensure_future(flow.admit([event()] * 1000, receipt, ORIGIN))
        await server.sink.asked.wait()

        admitting.cancel()
        await asyncio.wait([admitting])
        receipt.fail("the peer left")
        for lane in server.worker.parts.lanes:
            lane.give_back()

        assert set(server.residues()) == {0}
        assert flow.is_idle
        server.sink.open.set()
        await server.until("ptingest_lane_settled_events_total", 1, "memory", "django", "stored")
    assert server.worker.parts.budget.outstanding == 0


async def test_a_failed_receipt_admits_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        receipt = receipt_of([])
        receipt.fail("gone")

        await server.worker.parts.flow.admit([event()], receipt, ORIGIN)

        assert fates(server) == {}


async def test_what_a_requeued_letter_becomes_keeps_its_key(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        origin = Origin(peer="192.0.2.7:1", source="requeue", key="its own")
        keyed = event(agent={"id": "a"}, log={"offset": 7})
        for payload in (keyed, event(), b"no json"):
            receipt = receipt_of([])
            await server.worker.parts.flow.admit([payload], receipt, origin)
            receipt.seal()
        await server.until("ptingest_lane_settled_events_total", 1, "memory", "django", "stored")

        assert server.sink.keys == {"its own"}
        assert [letter.key for letter in server.letters()] == ["its own"]


def fates(server: Server) -> dict[str, int]:
    found: dict[str, int] = {}
    for labels, value in server.worker.parts.metrics.labelled("ptingest_lane_settled_events_total"):
        found[labels[2]] = found.get(labels[2], 0) + int(value)
    return found


async def test_services_made_up_by_a_peer_are_limited_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server:
        closed: list[Receipt] = []
        receipt = receipt_of(closed)
        strangers = [event(service=f"made-up-{number}") for number in range(70)]

        await server.worker.parts.flow.admit([*strangers, event()], receipt, ORIGIN)
        receipt.seal()
        await server.until("ptingest_lane_settled_events_total", 64, "memory", "other", "stored")
        await server.until("ptingest_lane_settled_events_total", 1, "memory", "django", "stored")

        assert {letter.reason for letter in server.letters()} == {"too_many_services"}
        assert fates(server) == {Fate.DEAD_LETTERED: 6, Fate.STORED: 65}
