"""What a user's own events cost here; figures are not tested, only that they fit together."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from benchmarks import corpus
from ptingest.errors import BenchFailed
from ptingest.pipeline.compile import packaged_profile_path
from ptingest.server.process.clock import SystemClock
from ptingest.settings.load import load_profile
from ptingest.settings.server import ServerSettings
from ptingest.tools.bench import stages
from ptingest.tools.bench.runner import (
    BUSY_SHARE,
    DOCUMENTS,
    REST,
    SOCKETS_SHARE,
    Bench,
    BenchReport,
    EventOutcomes,
    Rounds,
    Sizes,
    plan,
    shares,
)
from ptingest.tools.bench.slow_path_reasons import SlowPathReason
from ptingest.tools.bench.workload import make_workload


def measured(*events: bytes) -> BenchReport:
    workload = make_workload(events, enough_events=64)
    assert workload is not None
    profile = load_profile(packaged_profile_path(), os.environ)
    return Bench(ServerSettings(), profile, workload, clock=SystemClock(), seconds=0.01).run()


def test_a_report_tells_of_every_part_of_the_road() -> None:
    django = [event for event in corpus.events(60, 1) if b'"service":"django"' in event][:20]
    nginx = [event for event in corpus.events(60, 1) if b'"service":"nginx"' in event][:5]

    report = measured(*django, *nginx, b"not json", django[0].replace(b'"pt"', b'"x"'))

    outcomes = report.outcomes
    assert (outcomes.indexed, outcomes.unparsed) == (25, 5)
    assert (outcomes.dropped, outcomes.dead_letters) == ({"other_group": 1}, {"not_json": 1})
    assert report.slow_path == Counter(
        {(SlowPathReason.UNREADABLE, ""): 1, (SlowPathReason.OTHER_GROUP, "group"): 1}
    )
    assert {name: (cost.events, cost.unparsed) for name, cost in report.services.items()} == {
        "django": (20, 0),
        "nginx": (5, 5),
    }
    assert report.elasticsearch.rounds >= 3
    assert 0 < report.elasticsearch.best <= report.elasticsearch.median
    assert report.store.rounds >= 3
    assert report.store_us > 0
    sizes = report.sizes
    assert 0 < sizes.wire < sizes.event < sizes.document
    assert 0 < sizes.bulk < sizes.document
    assert sizes.stored > 0
    assert report.outstanding_events > 1000


def test_events_of_which_none_would_be_indexed_are_an_error_that_says_why() -> None:
    with pytest.raises(BenchFailed) as failed:
        measured(b"INFO|a.b|2025-01-02T03:04:05Z|plain", b"{}")

    told = str(failed.value)
    assert "1 dropped (other_group)" in told
    assert "1 dead letters (not_json)" in told
    assert "ptingest try" in told
    assert "--service" in told


def test_the_stages_add_up_to_the_road() -> None:
    parts = {
        stages.FRAMES: 2.0,
        stages.DECODE: 1.0,
        stages.LINE: 1.0,
        stages.KEY: 2.0,
        stages.PIPELINE: 7.0,
        stages.BODY: 0.5,
        stages.GZIP: 1.0,
        stages.ANSWER: 0.5,
    }

    told = shares(parts, 12.0)

    assert told[DOCUMENTS] == 3.0
    assert told[REST] == 1.0
    assert sum(told.values()) == 12.0
    assert stages.PIPELINE not in told


def test_noise_makes_no_stage_negative() -> None:
    parts = dict.fromkeys(
        (*stages.INSIDE_PIPELINE, stages.FRAMES, stages.BODY, stages.GZIP, stages.ANSWER), 2.0
    )

    told = shares({**parts, stages.PIPELINE: 1.0}, 3.0)

    assert min(told.values()) == 0.0


@pytest.mark.parametrize(
    ("rate", "workers"), [(1, 1), (10_000, 1), (28_000, 1), (28_001, 2), (100_000, 4)]
)
def test_workers_are_planned_with_room_for_a_burst(rate: float, workers: int) -> None:
    us = 1e6 * BUSY_SHARE / 28_000 / (1 + SOCKETS_SHARE)
    rounds = Rounds(us / 2, us, us * 2, 3)
    sizes = Sizes(event=1000, wire=125, document=2000, bulk=250, stored=3000)
    report = BenchReport(
        EventOutcomes(1, 0, {}, {}),
        rounds,
        rounds,
        {},
        1.0,
        {},
        {},
        sizes,
        outstanding_events=56_000,
    )

    planned = plan(report, rate)

    assert planned.workers == workers
    assert planned.cores == pytest.approx(rate / 28_000 * BUSY_SHARE)
    assert planned.received_megabits == pytest.approx(rate * 0.001)
    assert planned.sent_megabits == pytest.approx(rate * 0.002)
    assert planned.documents_gigabytes_a_day == pytest.approx(rate * 0.1728)
    assert planned.buffered_seconds == pytest.approx(56_000 / rate)


def test_the_spread_is_how_far_the_worst_lies_above_the_best() -> None:
    rounds = Rounds.of([3.0, 2.0, 2.5])

    assert (rounds.best, rounds.median, rounds.worst, rounds.rounds) == (2.0, 2.5, 3.0, 3)
    assert rounds.spread_percent == pytest.approx(50.0)
    assert Rounds(0.0, 0.0, 0.0, 1).spread_percent == 0.0
