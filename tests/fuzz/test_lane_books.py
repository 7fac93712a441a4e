"""Whatever a sink answers, and whoever hangs up: one fate a document, one end a window."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ptingest.dead_letters.queue import read_letters
from ptingest.model.outcome import Fate
from tests.delivery.chaos import Chaos, assert_books_balance, send_at_random
from tests.delivery.running_lane import RunningLane, lane_settings, running_lane
from tests.fakes.clock import run_in_virtual_time
from tests.fakes.sink import ScriptedSink, fates


@pytest.mark.parametrize("seed", range(24))
def test_books_balance_whatever_the_sink_answers(seed: int, tmp_path: Path) -> None:
    chance, chaos = random.Random(seed), Chaos(seed)
    leaves_rest = seed % 4 == 0

    async def scenario() -> None:
        settings = lane_settings(documents=50, size=1200, patience=20 if seed % 2 else 300)
        sink = ScriptedSink(otherwise=chaos)
        async with running_lane(sink, tmp_path, settings=settings, budget_bytes=400_000) as r:
            await send_at_random(r, chance)
            chaos.is_calm = not leaves_rest
            now = r.clock.monotonic()
            left = await r.lane.drain(now + (5 if leaves_rest else 100))

            assert left == r.lane.outstanding
            assert left == 0 or leaves_rest
            assert_books_balance(r)
        assert_books_balance(r)
        judge_the_end(r)

    def judge_the_end(r: RunningLane) -> None:
        assert r.lane.outstanding == 0
        assert all(len(window.closed) == 1 for window in r.windows)
        counted = fates(r.metrics)
        letters = [stored.letter.key for stored in read_letters(tmp_path)]
        assert len(letters) == len(set(letters)) == counted[Fate.DEAD_LETTERED]
        safe = {d.key for d in chaos.stored} | set(letters)
        failure_stored = {d.key for a in r.sink.answers for d in a.failure_stored}
        for window in r.windows:
            if window.is_acked:
                assert set(window.keys) <= safe | failure_stored
        twice = [d for d, times in chaos.stored.items() if times > 1]
        assert all(any(d in w.doubtful for w in r.sink.writes) for d in twice)

    run_in_virtual_time(scenario())
    if not leaves_rest:
        assert chaos.stored
