"""The system clock behind the ``Clock`` that rooms get as an argument.

Code that only measures its own duration (`time.perf_counter`) and tools beside the server read
the clock themselves.
"""

from __future__ import annotations

import time


class SystemClock:
    """Implements ``Clock``."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time_ns(self) -> int:
        return time.time_ns()
