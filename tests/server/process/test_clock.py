from __future__ import annotations

from ptingest.server.process.clock import SystemClock


def test_monotonic_never_goes_back_and_time_is_since_the_epoch() -> None:
    clock = SystemClock()

    first, second = clock.monotonic(), clock.monotonic()

    assert second >= first
    assert clock.time_ns() > 1_700_000_000_000_000_000
