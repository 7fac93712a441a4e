"""Large events are worked on by a process of their own; what ends it becomes a dead letter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ptingest.model.document import LARGE_BYTES
from ptingest.model.origin import MaySend, Origin
from ptingest.model.outcome import DropReason, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile
from ptingest.server import large_events as large
from ptingest.server.large_events import LargeEvents
from ptingest.settings.profile import ProfileSettings
from tests.fakes.costly_events import SHAPES
from tests.support.profile import shipped_profile

ORIGIN = Origin(peer="192.0.2.7:1")
NOW_NS = 1_795_444_444_123_456_789
RECEIPT = Receipt(lambda _: None)
SIZE = LARGE_BYTES + 1000


@asynccontextmanager
async def large_events(
    profile: ProfileSettings | None = None, **seconds: float
) -> AsyncIterator[LargeEvents]:
    known = profile or shipped_profile()
    events = LargeEvents(lambda: known, **seconds)
    try:
        yield events
    finally:
        await events.close()


async def process(events: LargeEvents, payload: bytes, origin: Origin = ORIGIN) -> Processed:
    async with events.exclusive(RECEIPT, len(payload)):
        return await events.process(payload, receipt=RECEIPT, origin=origin, now_ns=NOW_NS)


def comparable(done: Processed) -> tuple[object, ...]:
    documents = [(d.target, d.body, d.key, d.service, d.payload, d.peer) for d in done.documents]
    return documents, done.dead_letters, done.received, done.dropped, done.tallies


async def test_a_process_of_its_own_answers_as_the_pipeline_does() -> None:
    pipeline = compile_profile(shipped_profile())
    names = ("record", "not UTF-8", "lone surrogates", "service of placeholders", "dropped list",
             "message of floats", "junk", "tags", "same member")  # fmt: skip

    async with large_events() as events:
        for name in names:
            payload = SHAPES[name](SIZE)
            there = await process(events, payload)
            here = pipeline.process([payload], receipt=RECEIPT, peer=ORIGIN.peer, now_ns=NOW_NS)

            assert comparable(there) == comparable(here), name


async def test_what_a_sender_may_not_send_is_refused_there_too() -> None:
    origin = Origin(peer="192.0.2.7:1", tls_subject="CN=x", may_send=(MaySend(None, frozenset()),))

    async with large_events() as events:
        done = await process(events, SHAPES["record"](SIZE), origin)

    assert [letter.reason for letter in done.dead_letters] == ["not_allowed_sender"]


async def test_the_loop_goes_on_while_a_large_event_is_worked_on() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)  # no race: counts the turns of the loop

    async with large_events() as events:
        counting = asyncio.ensure_future(count())
        done = await process(events, SHAPES["pipes"](2 << 20))
        counting.cancel()

    assert len(done.documents) == 1
    assert turns > 10


async def test_what_takes_too_much_memory_becomes_a_letter_and_the_next_event_does_not() -> None:
    async with large_events() as events:
        costly = await process(events, SHAPES["message of lists"](8 << 20))
        usual = await process(events, SHAPES["record"](SIZE))

    assert [letter.reason for letter in costly.dead_letters] == ["event_too_costly"]
    assert "memory" in costly.dead_letters[0].detail or "ended" in costly.dead_letters[0].detail
    assert costly.dead_letters[0].payload == SHAPES["message of lists"](8 << 20)
    assert len(usual.documents) == 1


async def kill_each(events: LargeEvents, number: int, seen: set[int]) -> None:
    """Send a signal to each process as soon as it is there."""
    while True:
        pid = events.pid
        if pid is not None and pid not in seen:
            seen.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        await asyncio.sleep(0)  # no race: looks until it is so


@pytest.mark.parametrize(
    ("number", "attempts"),
    [(signal.SIGKILL, large.ATTEMPTS), (signal.SIGXCPU, 1), (signal.SIGSEGV, 1)],
)
async def test_an_event_that_ends_its_process_becomes_a_letter(number: int, attempts: int) -> None:
    payload, seen = SHAPES["record"](SIZE), set[int]()

    async with large_events() as events:
        killing = asyncio.ensure_future(kill_each(events, number, seen))
        done = await process(events, payload)
        killing.cancel()
        again = await process(events, payload)

    assert len(seen) == attempts
    assert [letter.reason for letter in done.dead_letters] == ["event_too_costly"]
    assert done.dead_letters[0].payload == payload
    assert len(again.documents) == 1


async def test_what_is_not_worked_through_in_time_becomes_a_letter() -> None:
    async with large_events(deadline_seconds=0.0) as events:
        done = await process(events, SHAPES["record"](SIZE))

    assert "was not processed within 0 s" in done.dead_letters[0].detail


async def test_who_does_not_wait_any_more_costs_nothing_any_more() -> None:
    async with large_events() as events:
        await process(events, SHAPES["record"](SIZE))
        pid = events.pid
        working = asyncio.ensure_future(process(events, SHAPES["message of floats"](8 << 20)))
        await asyncio.sleep(0)  # no race: it has begun, whatever it has done
        working.cancel()
        await asyncio.wait([working])

        assert events.pid is None
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_new_profile_is_in_force_for_the_next_event() -> None:
    profiles = [shipped_profile()]
    events = LargeEvents(lambda: profiles[-1])
    group = profiles[0].groups[0].model_copy(update={"group": "other"})
    try:
        first = await process(events, SHAPES["record"](SIZE))
        profiles.append(profiles[0].model_copy(update={"groups": (group,)}))
        second = await process(events, SHAPES["record"](SIZE))
    finally:
        await events.close()

    assert len(first.documents) == 1
    assert second.dropped == {("django", DropReason.OTHER_GROUP): 1}


async def test_a_window_gives_way_while_it_waits_and_only_a_few_wait() -> None:
    gone, waits = [], []

    async def wait(events: LargeEvents, number: int, over: asyncio.Event) -> bool:
        receipt = Receipt(lambda _: None)
        receipt.give_way = lambda: gone.append(number)
        async with events.exclusive(receipt, large.PLACES_BYTES // 3) as is_granted:
            if is_granted:
                await over.wait()
            return is_granted

    async with large_events(place_seconds=0.0) as events:
        over = asyncio.Event()
        waits = [asyncio.ensure_future(wait(events, n, over)) for n in range(4)]
        refused = await waits[-1]
        assert gone == [0, 1, 2]
        over.set()
        granted = await asyncio.gather(*waits[:-1])

    assert refused is False
    assert granted == [True] * 3
