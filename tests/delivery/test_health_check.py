"""A sink that is asked while nothing is written: whatever it does, a sentence comes of it."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Sequence

import pytest

from ptingest.delivery import health_check as inquirer
from ptingest.delivery.health_check import (
    TROUBLED_SECONDS,
    WELL_SECONDS,
    Inquirer,
    is_due,
    trouble_after,
)
from ptingest.model.contracts import Finding
from tests.fakes.clock import ManualClock, run_in_virtual_time

FINE = Finding("sink", ok=True, detail="well")
DOWN = Finding("sink", ok=False, detail="down", stops_all=True)


class Road:
    """What an inquirer sees of a lane."""

    name = "sink"

    def __init__(self) -> None:
        self.sink_trouble: str | None = None
        self.written_at: float | None = None
        self.outstanding = 0
        self.is_wondering = False
        self.told_well = 0

    def sink_is_well(self, asked_at: float) -> None:
        self.told_well += 1

    def note_trouble(self, trouble: str | None) -> None:
        self.sink_trouble = trouble


class Sink:
    """Counts how often it is asked."""

    def __init__(self, answer: Callable[[], Awaitable[Sequence[Finding]]]) -> None:
        self.answer, self.asked = answer, 0

    async def check(self) -> Sequence[Finding]:
        self.asked += 1
        return await self.answer()


def says(*findings: Finding) -> Callable[[], Awaitable[Sequence[Finding]]]:
    async def answer() -> Sequence[Finding]:
        return findings

    return answer


def raises(error: Exception) -> Callable[[], Awaitable[Sequence[Finding]]]:
    async def answer() -> Sequence[Finding]:
        raise error

    return answer


async def test_a_sink_that_is_down_is_known_before_the_first_write_and_so_is_its_return() -> None:
    road, sink, clock = Road(), Sink(says(DOWN)), ManualClock()
    asking = Inquirer(sink, road, clock=clock)

    await asking.look()
    at_start = road.sink_trouble
    sink.answer = says(FINE)
    await asking.look()
    too_early = road.sink_trouble
    clock.advance(TROUBLED_SECONDS)
    await asking.look()

    assert (at_start, too_early, road.sink_trouble) == ("down", "down", None)
    assert sink.asked == 2


async def test_a_busy_lane_is_never_asked_about() -> None:
    road, sink, clock = Road(), Sink(says(DOWN)), ManualClock()
    road.outstanding = 1
    asking = Inquirer(sink, road, clock=clock)

    for _ in range(5):
        clock.advance(WELL_SECONDS)
        await asking.look()

    assert (sink.asked, road.sink_trouble) == (0, None)


async def test_what_a_write_found_out_meanwhile_counts_for_more() -> None:
    road, clock = Road(), ManualClock()

    async def slowly() -> Sequence[Finding]:
        road.written_at = clock.monotonic()
        return [DOWN]

    await Inquirer(Sink(slowly), road, clock=clock).look()

    assert road.sink_trouble is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENETUNREACH])
async def test_a_check_that_cannot_be_made_is_trouble_and_no_error(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    road = Road()
    sink = Sink(raises(OSError(number, "too many or none")))

    await Inquirer(sink, road, clock=ManualClock()).look()

    assert "too many or none" in str(road.sink_trouble)
    assert caplog.records == []


async def test_a_bug_in_a_check_is_told_once_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    road, clock = Road(), ManualClock()
    asking = Inquirer(Sink(raises(ZeroDivisionError())), road, clock=clock)

    for _ in range(3):
        await asking.look()
        clock.advance(WELL_SECONDS)

    assert road.sink_trouble is None
    assert [one.levelno for one in caplog.records] == [logging.ERROR]


def test_a_check_that_never_ends_is_given_up_and_said() -> None:
    road = Road()

    async def never() -> Sequence[Finding]:
        await asyncio.Event().wait()
        return ()

    run_in_virtual_time(Inquirer(Sink(never), road, clock=ManualClock()).look())

    assert f"within {inquirer.CHECK_SECONDS:g} s" in str(road.sink_trouble)


def test_it_looks_again_and_again_until_it_is_cancelled() -> None:
    road, sink, clock = Road(), Sink(says(DOWN)), ManualClock()

    async def main() -> None:
        running = asyncio.ensure_future(Inquirer(sink, road, clock=clock).run())
        for _ in range(4):
            await asyncio.sleep(inquirer.LOOK_SECONDS)  # no race: virtual time
            clock.advance(WELL_SECONDS)
        running.cancel()

    run_in_virtual_time(main())

    assert sink.asked >= 3


async def test_while_writes_get_no_answer_the_sink_is_asked_and_only_its_word_counts() -> None:
    road, sink, clock = (
        Road(),
        Sink(says(FINE, Finding("rights", ok=False, detail="no read"))),
        (ManualClock()),
    )
    road.outstanding, road.is_wondering = 5, True
    road.sink_trouble = "no answer"
    asking = Inquirer(sink, road, clock=clock)

    for _ in range(3):
        road.written_at = clock.monotonic()
        await asking.look()
        clock.advance(TROUBLED_SECONDS)
    sink.answer = says(DOWN)
    await asking.look()

    assert (sink.asked, road.told_well) == (4, 3)
    assert road.sink_trouble == "no answer"


FINE = Finding("reachable", ok=True, detail="Elasticsearch 8.19.0")
DOWN = Finding("reachable", ok=False, detail="no answer", cure="start it", stops_all=True)
LACKS = Finding("rights", ok=False, detail="lacks create_doc on logs-*-pt")


@pytest.mark.parametrize(
    ("heard_at", "is_idle", "is_troubled", "due"),
    [
        pytest.param(None, True, False, True, id="nothing is known yet"),
        pytest.param(None, False, False, False, id="a write is on its way and will tell"),
        pytest.param(100 - WELL_SECONDS + 1, True, False, False, id="it was well lately"),
        pytest.param(100 - WELL_SECONDS, True, False, True, id="it was well a while ago"),
        pytest.param(100 - TROUBLED_SECONDS + 1, True, True, False, id="it was down just now"),
        pytest.param(100 - TROUBLED_SECONDS, True, True, True, id="it may be back"),
        pytest.param(0, False, True, False, id="a busy lane is left alone"),
    ],
)
def test_an_idle_sink_is_asked_now_and_then(
    heard_at: float | None, is_idle: bool, is_troubled: bool, due: bool
) -> None:
    assert is_due(100, heard_at=heard_at, is_idle=is_idle, is_troubled=is_troubled) is due


@pytest.mark.parametrize(
    ("findings", "before", "after"),
    [
        pytest.param([FINE], None, None, id="well"),
        pytest.param([FINE], "down", None, id="well again"),
        pytest.param([], "down", None, id="nothing to complain of"),
        pytest.param([DOWN], None, "no answer; start it", id="down"),
        pytest.param([FINE, LACKS], None, None, id="a complaint that a write may never meet"),
        pytest.param([FINE, LACKS], "403", "403", id="a complaint that a write did meet"),
        pytest.param([LACKS, DOWN], "403", "no answer; start it", id="the worst counts"),
    ],
)
def test_readiness_follows_what_stops_everything(
    findings: list[Finding], before: str | None, after: str | None
) -> None:
    assert trouble_after(findings, before) == after
