"""What stays of a worker that is gone, and how long the next one waits."""

from __future__ import annotations

from ptingest.telemetry.metrics import Metrics
from ptingest.workers.messages import DRAIN, REPORT, Drained, WorkerLoad, WorkerReport
from ptingest.workers.pool import given_back, in_flight_of
from ptingest.workers.rpc import NOTHING, Nothing
from tests.support.waiting import PATIENCE_SECONDS, until
from tests.support.worker_pool import QUICK, fake_workers, pool_of

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
    pool = pool_of(1)

    waits = [[pool._backoff(failures) for _ in range(20)] for failures in range(1, 40)]

    for failures, some in enumerate(waits, 1):
        most = min(QUICK.backoff_most, QUICK.backoff_first * 2 ** (failures - 1))
        assert all(most / 2 <= wait <= most for wait in some)
        assert len(set(some)) > 1


async def test_a_report_tells_how_busy_a_worker_was_lately() -> None:
    pool = pool_of(1)
    async with fake_workers(pool) as (fake,):
        for events in (100, 350):
            load = WorkerLoad(
                connections=1, events=events, is_accepting=True, is_draining=False, left=[]
            )
            fake.rpc.notify(REPORT, WorkerReport(load, busy().samples()))
        await until(lambda: fake.worker.events == 350)

        assert fake.worker.events_lately == 250
        assert in_flight_of(fake.worker.samples) == 3


async def test_a_worker_that_says_it_leaves_gets_no_more() -> None:
    pool = pool_of(2)
    async with fake_workers(pool) as (first, _):
        first.load(is_draining=True)
        await until(lambda: not first.worker.accepts)

        assert [worker.number for worker in pool.running] == [2]


async def test_a_drain_adds_up_what_was_left_and_guesses_for_who_died() -> None:
    pool = pool_of(2)

    async def drain(_: Nothing) -> Drained:
        return Drained(left=5)

    async def die(_: Nothing) -> Drained:
        second.rpc.close()
        raise AssertionError("not reached by an answer")

    async with fake_workers(pool) as (first, second):
        first.rpc.on_request(DRAIN, drain)
        second.rpc.on_request(DRAIN, die)
        second.worker.samples = busy().samples()

        assert await pool.drain() == 5 + 3
        assert pool.running == []


async def test_who_does_not_answer_is_told_apart_from_who_does() -> None:
    pool = pool_of(2)

    async def drain(_: Nothing) -> Drained:
        return Drained(left=0)

    async with fake_workers(pool) as (first, _):
        first.rpc.on_request(DRAIN, drain)

        answers = await pool.request_all(DRAIN, NOTHING, seconds=PATIENCE_SECONDS)

    assert answers[1] == Drained(0)
    assert "no handler for 'drain'" in str(answers[2])
