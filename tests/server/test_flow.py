from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from ptingest.model.letters import LetterFilter, Order
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, Fate, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.server.chunks import CHUNK_BYTES
from ptingest.server.large_events import PLACES_BYTES
from ptingest.server.poison import TOLERATED
from tests.fakes.clock import ManualClock
from tests.support.raw_peer import event
from tests.support.serving import Server, serving
from tests.support.waiting import PATIENCE_SECONDS

ORIGIN = Origin(peer="192.0.2.7:1")


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


async def admitted(server: Server, *payloads: bytes, origin: Origin = ORIGIN) -> Receipt:
    receipt = receipt_of([])
    await server.worker.parts.flow.admit(payloads, receipt, origin)
    receipt.seal()
    return receipt


@pytest.mark.parametrize("limit", ["1KiB", "300KiB"])
async def test_a_larger_event_is_a_letter_as_it_came(tmp_path: Path, limit: str) -> None:
    large = b"\xff{" + b"x" * (301 << 10)
    async with serving(tmp_path, limits={"event_bytes": limit}) as server:
        await admitted(server, event(), large, event())
        await server.until("ptingest_lane_settled_events_total", 2, "memory", "django", "stored")

        (letter,) = server.letters()
        assert (letter.reason, letter.payload) == ("event_too_large", large)
        assert str(len(large)) in letter.detail
        assert "beats.limits.event_bytes" in letter.detail


async def test_a_letter_that_was_too_large_is_taken_under_a_larger_limit(tmp_path: Path) -> None:
    large = event(message="INFO|a|2025-01-02T03:04:05.678|" + "\\u0105" * 100_000)
    async with serving(tmp_path, limits={"event_bytes": "300KiB"}) as server:
        await admitted(server, large)
        assert [letter.payload for letter in server.letters()] == [large]

        server.worker.parts.processing.event_bytes = 1 << 20
        server.worker.parts.jobs.begin(Order("requeue", LetterFilter(everything=True)))
        tally = await server.worker.parts.jobs.finish()

        assert (tally.chosen, tally.stored) == (1, 1)
        assert len(server.sink.documents) == 1
        assert server.letters() == []


async def test_large_events_keep_their_place_in_the_window(tmp_path: Path) -> None:
    texts = ["a", "b" * (300 << 10), "c"]
    async with serving(tmp_path, sinks=None) as server:
        await admitted(server, *(event(message=text) for text in texts))
        await server.until("ptingest_lane_settled_events_total", 3, "memory", "django", "stored")

        assert server.sink.messages == texts


async def test_small_events_pass_a_large_one_that_waits_for_an_earlier_to_be_stored(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server:
        flow, budget = server.worker.parts.flow, server.worker.parts.budget
        budget.large.charge(budget.large.limit)
        message, receipt = "b" * (300 << 10), receipt_of([])
        waiting = asyncio.ensure_future(flow.admit([event(message=message)], receipt, ORIGIN))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not budget.large.waiting:
                await asyncio.sleep(0.01)  # no race: looks until it is so
            await flow.admit([event(message="small")], receipt_of([]), ORIGIN)
            assert not waiting.done()
            budget.large.release(budget.large.limit)
            await waiting
            while len(server.sink.messages) < 2:
                await asyncio.sleep(0.01)  # no race: looks until it is so

        assert server.sink.messages == ["small", message]
        assert budget.total == 0


def receipt_with_way() -> Receipt:
    receipt = Receipt(lambda _: None)
    receipt.give_way = lambda: None
    return receipt


async def test_a_window_that_finds_no_place_for_its_large_event_comes_again(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server, AsyncExitStack() as others:
        turn = server.worker.parts.processing.large.exclusive(receipt_with_way(), PLACES_BYTES)
        assert await others.enter_async_context(turn)
        receipt = receipt_with_way()
        await server.worker.parts.flow.admit([event(message="b" * (300 << 10))], receipt, ORIGIN)

        assert receipt.failed is not None
        assert "too many large events" in receipt.failed


async def test_large_letters_do_not_pile_up_until_the_window_ends(tmp_path: Path) -> None:
    junk = [b"\xff" * (200 << 10)] * 10
    async with serving(tmp_path) as server:
        put, sizes = server.worker.parts.dead_letters.put, []

        async def noted(letters: Sequence[DeadLetter]) -> None:
            sizes.append(sum(len(letter.payload) for letter in letters))
            await put(letters)

        server.worker.parts.dead_letters.put = noted  # type: ignore[method-assign]
        await admitted(server, *junk)

        assert sum(sizes) == sum(map(len, junk))
        assert max(sizes) <= 2 * CHUNK_BYTES


async def test_without_a_process_for_it_a_window_with_a_large_event_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: object, **__: object) -> object:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", none)
    async with serving(tmp_path) as server:
        receipt = await admitted(server, event(message="b" * (300 << 10)))

        assert receipt.failed is not None
        assert "no process can be started" in receipt.failed


class Fragile(ProfilePipeline):
    """Does not survive one event."""

    def process(self, payloads: Sequence[bytes], **given: Any) -> Processed:
        if any(b"poison" in payload for payload in payloads):
            raise ZeroDivisionError
        return super().process(payloads, **given)


async def test_the_event_that_ends_each_process_becomes_a_letter_and_its_window_goes_on(
    tmp_path: Path,
) -> None:
    window = [event(message=text) for text in ("a", "b", "poison", "c")]
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as server:
        processing = server.worker.parts.processing
        sound = processing.pipeline
        processing.pipeline = Fragile(sound.profile)
        ends = 0
        for _ in range(10):
            clock.advance(2.0)  # the table is looked at once a second
            try:
                receipt = await admitted(server, *window)
                break
            except ZeroDivisionError:
                ends += 1

        assert ends == TOLERATED + 1
        assert receipt.failed is None
        assert [letter.reason for letter in server.letters()] == ["ended_worker"]
        assert server.letters()[0].payload == window[2]
        await server.until("ptingest_lane_settled_events_total", 3, "memory", "django", "stored")
        assert server.sink.messages[-3:] == ["a", "b", "c"]

        processing.pipeline = sound
        server.worker.parts.jobs.begin(Order("requeue", LetterFilter(everything=True)))
        tally = await server.worker.parts.jobs.finish()
        assert tally.stored == 1


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
