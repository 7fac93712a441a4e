"""The loop's pauses."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.end_to_end import Load
from benchmarks.pauses import measure, pauses_of


def test_pauses_are_told_by_their_order_and_in_milliseconds() -> None:
    found = pauses_of([0.001 * number for number in range(101)])

    assert found.ticks == 101
    assert [round(one) for one in found[1:]] == [50, 99, 100]


@pytest.mark.timeout(180)
@pytest.mark.skipif(shutil.which("go") is None, reason="the sender is go-lumber")
def test_a_real_server_tells_what_its_loop_computed_between_ticks() -> None:
    found = measure("store", Load(events=4_096, connections=2, warm_up=512))

    assert found.ticks >= 2
    assert 0 < found.p50_ms <= found.p99_ms <= found.longest_ms
