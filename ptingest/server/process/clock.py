"""The system clock behind the ``Clock`` that rooms get as an argument.

Code that only measures its own duration (`time.perf_counter`) and tools beside the server read
the clock themselves.
"""

from __future__ import annotations

import time


class SystemClock:
    """Implements ``Clock``; a window asks it a dozen times, so nothing is called between."""

    monotonic = staticmethod(time.monotonic)
    time_ns = staticmethod(time.time_ns)
