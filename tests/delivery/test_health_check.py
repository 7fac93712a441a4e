"""A sink that is asked while nothing is written: whatever it does, a sentence comes of it."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Sequence

import pytest

from ptingest.delivery import health_check
from ptingest.delivery.health_check import (
    HEALTHY_SECONDS,
    UNHEALTHY_SECONDS,
    HealthCheck,
    is_due,
    trouble_after,
)
from ptingest.model.finding import Finding
from tests.fakes.clock import ManualClock, run_in_virtual_time

FINE = Finding("ok", "sink", "well")
DOWN = Finding("problem", "sink", "down", stops_all=True)


class FakeLane:
    """The part of a lane that a health check reads."""

    name = "sink"

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.written_at: float | None = None
        self.outstanding = 0
        self.has_unanswered = False
        self.told_well = 0

    def note_healthy(self, asked_at: float) -> None:
        self.told_well += 1

    def note_trouble(self, trouble: str | None) -> None:
        self.trouble = trouble


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
    lane, sink, clock = FakeLane(), Sink(says(DOWN)), ManualClock()
    asking = HealthCheck(sink, lane, clock=clock)

    await asking.look()
    at_start = lane.trouble
    sink.answer = says(FINE)
    await asking.look()
    too_early = lane.trouble
    clock.advance(UNHEALTHY_SECONDS)
    await asking.look()

    assert (at_start, too_early, lane.trouble) == ("down", "down", None)
    assert sink.asked == 2


async def test_a_busy_lane_is_never_asked_about() -> None:
    lane, sink, clock = FakeLane(), Sink(says(DOWN)), ManualClock()
    lane.outstanding = 1
    asking = HealthCheck(sink, lane, clock=clock)

    for _ in range(5):
        clock.advance(HEALTHY_SECONDS)
        await asking.look()

    assert (sink.asked, lane.trouble) == (0, None)


async def test_what_a_write_found_out_meanwhile_counts_for_more() -> None:
    lane, clock = FakeLane(), ManualClock()

    async def slowly() -> Sequence[Finding]:
        lane.written_at = clock.monotonic()
        return [DOWN]

    await HealthCheck(Sink(slowly), lane, clock=clock).look()

    assert lane.trouble is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENETUNREACH])
async def test_a_check_that_cannot_be_made_is_trouble_and_no_error(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    lane = FakeLane()
    sink = Sink(raises(OSError(number, "too many or none")))

    await HealthCheck(sink, lane, clock=ManualClock()).look()

    assert "too many or none" in str(lane.trouble)
    assert caplog.records == []


async def test_a_bug_in_a_check_is_told_once_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lane, clock = FakeLane(), ManualClock()
    asking = HealthCheck(Sink(raises(ZeroDivisionError())), lane, clock=clock)

    for _ in range(3):
        await asking.look()
        clock.advance(HEALTHY_SECONDS)

    assert lane.trouble is None
    assert [one.levelno for one in caplog.records] == [logging.ERROR]


def test_a_check_that_never_ends_is_given_up_and_said() -> None:
    lane = FakeLane()

    async def never() -> Sequence[Finding]:
        await asyncio.Event().wait()
        return ()

    run_in_virtual_time(HealthCheck(Sink(never), lane, clock=ManualClock()).look())

    assert f"within {health_check.CHECK_SECONDS:g} s" in str(lane.trouble)


def test_it_looks_again_and_again_until_it_is_cancelled() -> None:
    lane, sink, clock = FakeLane(), Sink(says(DOWN)), ManualClock()

    async def main() -> None:
        running = asyncio.ensure_future(HealthCheck(sink, lane, clock=clock).run())
        for _ in range(4):
            await asyncio.sleep(health_check.LOOK_SECONDS)  # no race: virtual time
            clock.advance(HEALTHY_SECONDS)
        running.cancel()

    run_in_virtual_time(main())

    assert sink.asked >= 3


async def test_while_writes_get_no_answer_the_sink_is_asked_and_only_its_word_counts() -> None:
    lane, sink, clock = (
        FakeLane(),
        Sink(says(FINE, Finding("problem", "rights", "no read"))),
        (ManualClock()),
    )
    lane.outstanding, lane.has_unanswered = 5, True
    lane.trouble = "no answer"
    asking = HealthCheck(sink, lane, clock=clock)

    for _ in range(3):
        lane.written_at = clock.monotonic()
        await asking.look()
        clock.advance(UNHEALTHY_SECONDS)
    sink.answer = says(DOWN)
    await asking.look()

    assert (sink.asked, lane.told_well) == (4, 3)
    assert lane.trouble == "no answer"


REACHED = Finding("ok", "reachable", "Elasticsearch 8.19.0")
UNREACHED = Finding("problem", "reachable", "no answer", "start it", stops_all=True)
LACKS = Finding("problem", "rights", "lacks create_doc on logs-*-pt")


@pytest.mark.parametrize(
    ("heard_at", "is_idle", "is_troubled", "due"),
    [
        pytest.param(None, True, False, True, id="nothing is known yet"),
        pytest.param(None, False, False, False, id="a write is on its way and will tell"),
        pytest.param(100 - HEALTHY_SECONDS + 1, True, False, False, id="it was well lately"),
        pytest.param(100 - HEALTHY_SECONDS, True, False, True, id="it was well a while ago"),
        pytest.param(100 - UNHEALTHY_SECONDS + 1, True, True, False, id="it was down just now"),
        pytest.param(100 - UNHEALTHY_SECONDS, True, True, True, id="it may be back"),
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
        pytest.param([REACHED], None, None, id="well"),
        pytest.param([REACHED], "down", None, id="well again"),
        pytest.param([], "down", None, id="nothing to complain of"),
        pytest.param([UNREACHED], None, "no answer; start it", id="down"),
        pytest.param([REACHED, LACKS], None, None, id="a complaint that a write may never meet"),
        pytest.param([REACHED, LACKS], "403", "403", id="a complaint that a write did meet"),
        pytest.param([LACKS, UNREACHED], "403", "no answer; start it", id="the worst counts"),
    ],
)
def test_readiness_follows_what_stops_everything(
    findings: list[Finding], before: str | None, after: str | None
) -> None:
    assert trouble_after(findings, before) == after
