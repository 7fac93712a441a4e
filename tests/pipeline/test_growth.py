"""The cost of an event grows linearly with its size, whatever its form.

Processor time of this process, the least of some tries: linear work takes four times as long
for four times the size, quadratic work sixteen times. ``python -m tests.torture.growth`` goes up
to 16 MiB, and counts instructions on request; larger events go through a server in
``tests/torture/noisy_neighbour``.
"""

from __future__ import annotations

import gc
import time

import pytest

from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile
from tests.fakes.costly_events import SHAPES
from tests.support.profile import shipped_profile

SMALL, LARGE = 48 << 10, 192 << 10
GROWTH = 8.0
"""Between 4 (linear) and 16 (quadratic)."""
SECONDS_A_BYTE = 2e-6
"""Ten times what the costliest form takes; quadratic work takes hundreds of times as long."""
TRIES = 6
PIPELINE = compile_profile(shipped_profile())


def seconds(payload: bytes) -> float:
    """Processor time of one event, the least of three."""
    took = []
    for _ in range(3):
        receipt = Receipt(lambda _: None)
        began = time.process_time()
        done = PIPELINE.process([payload], receipt=receipt, peer="-", now_ns=1)
        took.append(time.process_time() - began)
        assert len(done.documents) + len(done.dead_letters) + sum(done.dropped.values()) == 1
    return max(min(took), 20e-6)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.slow
def test_four_times_the_size_is_not_sixteen_times_the_work(name: str) -> None:
    small, large = SHAPES[name](SMALL), SHAPES[name](LARGE)
    gc.collect()

    growths = []
    for _ in range(TRIES):
        before, after = seconds(small), seconds(large)
        growths.append(after / before)
        # Too fast to measure, or measured: a busy machine makes some tries slower, never all.
        if (after < 2e-3 or growths[-1] < GROWTH) and after < SECONDS_A_BYTE * len(large):
            break
    else:
        pytest.fail(f"{growths=}, {after / len(large) * 1e9:.0f} ns a byte")
