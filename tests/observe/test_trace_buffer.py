"""The trace buffer holds recent events, within its bytes, by reference."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ByteSize

from ptingest.delivery.batch import cost_of
from ptingest.model.document import DataStream, Document
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, Processed, Refusal, WriteResult
from ptingest.model.receipt import Receipt
from ptingest.model.watching import TapRequest
from ptingest.observe.taps import Taps
from ptingest.observe.trace_buffer import TraceBuffer, WatchedSink
from ptingest.settings.why import WhySettings
from tests.fakes.clock import ManualClock
from tests.support.serving import MemorySink

DJANGO = DataStream("logs", "django", "pt")
ORIGIN = Origin("192.0.2.7:51234")


def receipt() -> Receipt:
    return Receipt(lambda _: None)


def documents(count: int, of: Receipt, *, start: int = 0, size: int = 500) -> list[Document]:
    return [
        Document(DJANGO, b"{}" * (size // 2), f"{n:022d}", of, b"x" * size, "django", "peer")
        for n in range(start, start + count)
    ]


class World:
    """A trace buffer, with a flow and a sink in miniature."""

    def __init__(self, max_bytes: int, *, sample: float = 1.0) -> None:
        self.clock = ManualClock()
        settings = WhySettings(max_bytes=ByteSize(max_bytes), sample=sample)
        self.trace_buffer = TraceBuffer(settings, clock=self.clock)

    def pass_by(self, found: Sequence[Document], *, dropped: Sequence[bytes] = ()) -> None:
        """One chunk, one batch, all stored."""
        payloads = [one.payload for one in found]
        done = Processed(documents=list(found))
        self.trace_buffer.saw([*payloads, *dropped], done, cost_of(found), found[0].receipt, ORIGIN)
        self.clock.advance(0.01)
        self.write(found, WriteResult())

    def write(self, found: Sequence[Document], result: WriteResult | None) -> None:
        attempt = self.trace_buffer.began("store", list(found))
        self.clock.advance(0.01)
        self.trace_buffer.ended(attempt, result)

    @property
    def held(self) -> int:
        """Documents that the trace buffer keeps alive, each counted once."""
        trace_buffer = self.trace_buffer
        places = [*trace_buffer.whole, *trace_buffer.attempts]
        return len({id(one) for place in places for one in place.documents})

    def bytes_held(self) -> int:
        found = {
            id(one): one.cost
            for place in (*self.trace_buffer.whole, *self.trace_buffer.attempts)
            for one in place.documents
        }
        keys = [place.keys for place in (*self.trace_buffer.shrunk, *self.trace_buffer.attempts)]
        return sum(found.values()) + sum(len(one) for one in keys if one)


@pytest.mark.parametrize("max_bytes", [0, 10_000, 200_000, 2_000_000])
def test_what_is_held_stays_within_the_limit(max_bytes: int) -> None:
    world = World(max_bytes)

    for n in range(200):
        world.pass_by(documents(50, receipt(), start=50 * n))
        assert world.bytes_held() <= max_bytes
        assert int(str(world.trace_buffer.status()["bytes"])) <= max_bytes + 1000

    if max_bytes >= 200_000:
        assert world.held > 0
        assert world.trace_buffer.shrunk, "ids outlive the text"


def test_letters_are_counted_for_what_they_take() -> None:
    world = World(400_000)
    tracemalloc.start()
    try:
        begin, _ = tracemalloc.get_traced_memory()
        for n in range(200):
            payloads = [b"%d" % m for m in range(256 * n, 256 * n + 256)]
            letters = [
                DeadLetter("not_an_object", f"the payload is {one!r}", one, "other", f"peer {n}")
                for one in payloads
            ]
            world.trace_buffer.saw(payloads, Processed(dead_letters=letters), 0, receipt(), ORIGIN)
        del payloads, letters
        held = tracemalloc.get_traced_memory()[0] - begin
    finally:
        tracemalloc.stop()

    assert int(str(world.trace_buffer.status()["bytes"])) <= 400_000
    assert held < 2 * 400_000


def test_what_a_sink_said_of_many_documents_is_counted() -> None:
    world = World(1_000_000)
    for n in range(40):
        some = documents(50, receipt(), start=50 * n)
        world.trace_buffer.saw([one.payload for one in some], Processed(documents=some),
                          cost_of(some), some[0].receipt, ORIGIN)  # fmt: skip
        world.write(
            some, WriteResult(refused=[Refusal(one, "mapping", "x" * 2000) for one in some])
        )

    words = sum(
        len(refusal.detail)
        for attempt in world.trace_buffer.attempts
        if attempt.result is not None
        for refusal in attempt.result.refused
    )
    assert 0 < words <= 1_000_000
    assert int(str(world.trace_buffer.status()["bytes"])) <= 1_000_000 + 1000


def test_attempts_hold_only_documents_whose_chunk_is_held() -> None:
    world = World(200_000)
    late = documents(50, receipt(), start=10_000)
    world.trace_buffer.saw([one.payload for one in late], Processed(documents=late), cost_of(late),
                      late[0].receipt, ORIGIN)  # fmt: skip
    for n in range(20):
        world.pass_by(documents(50, receipt(), start=50 * n))

    world.write(late, WriteResult())

    known = {id(one) for chunk in world.trace_buffer.whole for one in chunk.documents}
    assert {id(one) for a in world.trace_buffer.attempts for one in a.documents} <= known
    assert world.trace_buffer.attempts[-1].outcome_of(None, late[0].key) == ("stored", "", "")


def test_documents_that_are_let_go_are_gone() -> None:
    world = World(100_000)
    first = documents(20, receipt())
    world.pass_by(first)
    for n in range(50):
        world.pass_by(documents(20, receipt(), start=100 * n + 100))

    places = [*world.trace_buffer.whole, *world.trace_buffer.attempts]
    assert all(first[0] not in place.documents for place in places)


def test_nothing_is_kept_when_it_is_off() -> None:
    world = World(0)

    world.pass_by(documents(10, receipt()))

    trace_buffer = world.trace_buffer
    assert not [
        *trace_buffer.whole,
        *trace_buffer.shrunk,
        *trace_buffer.attempts,
        *trace_buffer.under_way,
    ]


def test_a_share_of_the_chunks_keeps_its_text_and_all_keep_their_ids() -> None:
    world = World(10_000_000, sample=0.25)

    for n in range(100):
        world.pass_by(documents(2, receipt(), start=2 * n))

    assert len(world.trace_buffer.whole) == 25
    assert len(world.trace_buffer.shrunk) == 75
    assert all(one.keys is not None for one in world.trace_buffer.attempts)


def test_outcomes_outlive_the_documents() -> None:
    world = World(1_000_000)
    found = documents(6, receipt())
    long = "because " * 1000
    result = WriteResult(
        already_stored=[found[0]],
        failure_stored=[found[1]],
        refused=[Refusal(found[2], "mapping", long)],
        busy=[found[3]],
        stream_busy=[Refusal(found[4], "template_missing", "404")],
        said="HTTP 200",
    )
    world.trace_buffer.saw([], Processed(documents=found), cost_of(found), found[0].receipt, ORIGIN)
    world.write(found, result)
    (attempt,) = world.trace_buffer.attempts
    before = [attempt.outcome_of(one, one.key) for one in found]

    attempt.shrink()

    after = [attempt.outcome_of(None, one.key) for one in found]
    assert [one and one[0] for one in before] == [
        "already_stored", "failure_stored", "refused", "busy", "stream_busy", "stored",
    ]  # fmt: skip
    assert after[:2] + after[3:] == before[:2] + before[3:]
    assert after[2] == ("refused", "mapping", long[:500])
    assert attempt.result is not None
    assert attempt.result.said == "HTTP 200"
    assert attempt.outcome_of(None, "unknown key of 22 char") is None
    assert attempt.outcome_of(None, None) is None


def test_a_write_that_died_is_no_success() -> None:
    world = World(1_000_000)
    found = documents(1, receipt())

    world.write(found, None)

    (attempt,) = world.trace_buffer.attempts
    assert attempt.outcome_of(None, found[0].key) == ("unknown", "", "")


def test_events_without_a_key_are_held_whole_and_forgotten_then() -> None:
    world = World(50_000)
    of = receipt()
    nameless = [Document(DJANGO, b"{}", None, of, b"x" * 500, "django", "peer")]
    world.pass_by(nameless)
    assert world.trace_buffer.attempts[0].outcome_of(nameless[0], None) == ("stored", "", "")

    for n in range(20):
        world.pass_by(documents(50, receipt(), start=50 * n))

    assert all(chunk.keys != "" or chunk.cost for chunk in world.trace_buffer.shrunk)
    assert all(nameless[0] not in chunk.documents for chunk in world.trace_buffer.whole)


async def test_a_watched_sink_is_the_sink_and_tells(tmp_path: Path) -> None:
    del tmp_path
    clock = ManualClock()
    trace_buffer = TraceBuffer(WhySettings(), clock=clock)
    taps = Taps(clock)
    tap = await taps.begin(TapRequest(fates=("dead_lettered",)))
    found = documents(2, receipt())

    class Refusing(MemorySink):
        async def write(
            self, documents: Sequence[Document], doubtful: frozenset[Document]
        ) -> WriteResult:
            del doubtful
            assert [one.number for one in trace_buffer.under_way.values()] == [1]
            return WriteResult(refused=[Refusal(documents[0], "mapping", "no")])

    sink = WatchedSink(Refusing(), trace_buffer=trace_buffer, taps=taps)
    result = await sink.write(found, frozenset())

    assert sink.name == "memory"
    assert len(result.refused) == 1
    told = trace_buffer.attempts[0].outcome_of(None, found[0].key)
    assert told == ("refused", "mapping", "no")
    assert not trace_buffer.under_way
    assert tap.seen == 1


async def test_a_sink_that_dies_is_told_as_unknown() -> None:
    clock = ManualClock()
    trace_buffer = TraceBuffer(WhySettings(), clock=clock)

    class Dying(MemorySink):
        async def write(
            self, documents: Sequence[Document], doubtful: frozenset[Document]
        ) -> WriteResult:
            del documents, doubtful
            raise RuntimeError("a bug")

    found = documents(1, receipt())
    with pytest.raises(RuntimeError):
        await WatchedSink(Dying(), trace_buffer=trace_buffer, taps=Taps(clock)).write(
            found, frozenset()
        )

    assert not trace_buffer.under_way
    assert trace_buffer.attempts[0].outcome_of(found[0], found[0].key) == ("unknown", "", "")
