"""A complaint halves once a round; what was held back comes back round by round."""

from __future__ import annotations

import pytest

from ptingest.delivery.batch import Batcher
from ptingest.delivery.rate.limiter import Aimd, EndedAttempt, RateLimiter, complaint_of, limiter_of
from ptingest.delivery.rate.tuner import Tuner
from ptingest.model.outcome import WriteResult
from ptingest.settings.sinks import BatchSettings, LaneSettings
from tests.fakes.sink import Window

MIB = 1 << 20


def limiter(*, concurrency: int = 4, is_fixed: bool = False) -> RateLimiter:
    tuner = Tuner(concurrency=concurrency, documents=100, max_bytes=MIB, is_fixed=is_fixed)
    return RateLimiter(initial_seconds=0.25, max_seconds=10, tuner=tuner)


def attempt(of: RateLimiter, now: float = 0.0, *, is_full: bool = True) -> EndedAttempt:
    return EndedAttempt(of.begin(now, is_full=is_full), now, is_crowded=is_full)


def succeed(of: RateLimiter, times: int = 1) -> None:
    for _ in range(times):
        of.answered(attempt(of), size=1, complaint=None, has_answers=True)


def struggle_at_each_rise(of: RateLimiter, *, is_full: bool) -> None:
    for _ in range(3):
        of.overloaded(attempt(of, is_full=is_full), 0.5, None, "429")
        succeed(of, 2 * of.concurrency)


def test_batches_sent_together_that_fail_together_halve_once() -> None:
    aimd = Aimd()
    first = aimd.round

    for _ in range(8):
        aimd.halve(first, 8)
    once = aimd.limit
    for _ in range(8):
        aimd.halve(aimd.round, 8)

    assert once == 4
    assert aimd.limit == 1


def test_what_was_halved_grows_by_one_a_round_until_nothing_is_held_back() -> None:
    one = limiter()
    one.overloaded(attempt(one), 0.5, None, "429")

    seen = []
    for _ in range(5):
        seen.append(one.concurrency)
        succeed(one)

    assert seen == [2, 2, 3, 3, 3]
    assert one.concurrency == 4
    assert one.status()["held_back_to"] is None


def test_a_whole_sink_that_fails_counts_one_failure_a_round() -> None:
    one = limiter()
    attempts = [attempt(one) for _ in range(4)]

    for each in attempts:
        one.overloaded(each, 0.5, None, "no answer")
    first_round = one.backoff.failures
    recovered = one.answered(attempts[0], size=1, complaint=None, has_answers=True)

    assert first_round == 1
    assert recovered
    assert one.concurrency == 2


def test_busy_documents_hold_back_but_pause_nothing() -> None:
    one = limiter()

    recovered = one.answered(attempt(one), size=1, complaint="3 documents busy", has_answers=True)

    assert not recovered
    assert one.backoff.until == 0.0
    assert one.concurrency == 2
    assert one.status()["last_complaint"] == "3 documents busy"


def test_an_outage_without_end_does_not_lower_what_was_found() -> None:
    one = limiter()

    for _ in range(20):
        one.overloaded(attempt(one), 0.5, None, "no answer")

    assert one.concurrency == 1
    assert one.tuner.leader.concurrency == 4


def test_complaints_at_each_rise_lower_what_was_found() -> None:
    one = limiter()

    struggle_at_each_rise(one, is_full=True)

    assert one.tuner.leader.concurrency < 4
    assert "again and again" in one.tuner.why


def test_complaints_about_small_batches_say_nothing_of_how_many_are_too_many() -> None:
    one = limiter()

    struggle_at_each_rise(one, is_full=False)

    assert one.tuner.leader.concurrency == 4


def test_fixed_limits_are_not_held_back() -> None:
    one = limiter(is_fixed=True)

    one.overloaded(attempt(one), 0.5, None, "429")

    assert one.concurrency == 4
    assert one.backoff.until > 0


def test_batches_are_as_large_as_was_found_and_never_larger_than_is_taken() -> None:
    fresh = Batcher(max_documents=10_000, max_bytes=10 * MIB, max_age_seconds=0.1)
    tuner = Tuner(concurrency=16, documents=10_000, max_bytes=10 * MIB)
    one = RateLimiter(initial_seconds=0.25, max_seconds=10, tuner=tuner)

    one.aim(fresh)
    found = (fresh.max_documents, fresh.max_bytes)
    fresh.shrink(MIB)
    one.aim(fresh)

    assert found == (1250, 10 * MIB // 8)
    assert fresh.max_bytes == tuner.ceiling_bytes == MIB // 2


def test_the_settings_are_the_upper_limits() -> None:
    batch = BatchSettings(max_documents=7, max_bytes=5000)  # type: ignore[arg-type]

    auto = limiter_of(LaneSettings(batch=batch, concurrency=3)).tuner
    fixed = limiter_of(LaneSettings(batch=batch, concurrency=3, tuning="fixed")).tuner

    assert auto.limits == fixed.limits == (3, 7, 5000)
    assert not auto.is_fixed
    assert fixed.is_fixed


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ({}, None),
        ({"trouble": "no login"}, "no login"),
        ({"retry_after_seconds": 2.0}, "come back in 2 s"),
        ({"busy": 3}, "3 documents busy"),
        ({"doubtful": 2}, "2 documents in doubt"),
    ],
    ids=str,
)
def test_a_complaint_is_said_in_a_few_words(what: dict[str, object], complaint: str) -> None:
    documents = {
        name: Window().documents(count) for name, count in what.items() if isinstance(count, int)
    }

    assert complaint_of(WriteResult(**{**what, **documents})) == complaint  # type: ignore[arg-type]
