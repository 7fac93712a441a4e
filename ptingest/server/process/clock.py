"""The one place where the machine's clock is read."""

from __future__ import annotations

import time


class SystemClock:
    """``Clock`` as the machine has it."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time_ns(self) -> int:
        return time.time_ns()
