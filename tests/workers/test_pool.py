"""What stays of a worker that is gone, and how long the next one waits."""

from __future__ import annotations

from ptingest.telemetry.metrics import Metrics
from ptingest.workers.messages import DRAIN, REPORT, Drained, Load, Report
from ptingest.workers.pool import given_back, in_flight_of
from ptingest.workers.rpc import NOTHING, Nothing
from tests.support.waiting import PATIENCE_SECONDS, until
from tests.support.worker_pool import QUICK, crew_of, seated

RECEIVED = "ptingest_flow_received_events_total"
SETTLED = "ptingest_lane_settled_events_total"
OUTSTANDING = "ptingest_lane_outstanding_events"


def busy() -> Metrics:
    metrics = Metrics()
    metrics.add(RECEIVED, 10, "django")
    metrics.add(SETTLED, 6, "store", "django", "stored")
    metrics.add(SETTLED, 1, "store", "django", "given_back")
    metrics.set(OUTSTANDING, 3, "store", "django")
    metrics.set("ptingest_budget_outstanding_bytes", 4711)
    return metrics


def test_what_a_dead_worker_had_in_flight_is_given_back() -> None:
    left = Metrics()
    left.show(given_back(busy().samples()))

    assert dict(left.labelled(SETTLED)) == {
        ("store", "django", "stored"): 6,
        ("store", "django", "given_back"): 4,
    }
    assert left.value(RECEIVED, "django") == 10
    assert left.value(OUTSTANDING, "store", "django") == 0
    assert left.value("ptingest_budget_outstanding_bytes") == 0


def test_with_several_sinks_an_event_in_flight_counts_once() -> None:
    metrics = busy()
    metrics.set(OUTSTANDING, 2, "elasticsearch", "django")
    metrics.set(OUTSTANDING, 2, "elasticsearch", "nginx")

    assert in_flight_of(metrics.samples()) == 4
    assert in_flight_of([]) == 0


def test_pauses_double_up_to_a_limit_and_differ_by_chance() -> None:
    crew = crew_of(1)

    waits = [[crew._backoff(failures) for _ in range(20)] for failures in range(1, 40)]

    for failures, some in enumerate(waits, 1):
        most = min(QUICK.backoff_most, QUICK.backoff_first * 2 ** (failures - 1))
        assert all(most / 2 <= wait <= most for wait in some)
        assert len(set(some)) > 1


async def test_a_report_tells_how_busy_a_worker_was_lately() -> None:
    crew = crew_of(1)
    async with seated(crew) as (seat,):
        for events in (100, 350):
            load = Load(connections=1, events=events, is_accepting=True, is_draining=False, left=[])
            seat.channel.tell(REPORT, Report(load, busy().samples()))
        await until(lambda: seat.slot.events == 350)

        assert seat.slot.events_lately == 250
        assert in_flight_of(seat.slot.samples) == 3


async def test_a_worker_that_says_it_leaves_gets_no_more() -> None:
    crew = crew_of(2)
    async with seated(crew) as (first, _):
        first.load(is_draining=True)
        await until(lambda: not first.slot.may_take)

        assert [slot.number for slot in crew.running] == [2]


async def test_a_drain_adds_up_what_was_left_and_guesses_for_who_died() -> None:
    crew = crew_of(2)

    async def drain(_: Nothing) -> Drained:
        return Drained(left=5)

    async def die(_: Nothing) -> Drained:
        second.channel.close()
        raise AssertionError("not reached by an answer")

    async with seated(crew) as (first, second):
        first.channel.answers(DRAIN, drain)
        second.channel.answers(DRAIN, die)
        second.slot.samples = busy().samples()

        assert await crew.drain() == 5 + 3
        assert crew.running == []


async def test_who_does_not_answer_is_told_apart_from_who_does() -> None:
    crew = crew_of(2)

    async def drain(_: Nothing) -> Drained:
        return Drained(left=0)

    async with seated(crew) as (first, _):
        first.channel.answers(DRAIN, drain)

        answers = await crew.ask_all(DRAIN, NOTHING, seconds=PATIENCE_SECONDS)

    assert answers[1] == Drained(0)
    assert "nobody here answers 'drain'" in str(answers[2])
