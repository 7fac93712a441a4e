"""For how long the lag of a source has grown. Pure."""

from __future__ import annotations

SAMPLE_SECONDS = 60.0
"""Time between two lags that are compared: within it, bursts come and go."""


class LagTrend:
    """Compares the lag of each minute with the one before."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._lag = 0
        self.growing_seconds = 0.0
        """How long each minute's lag has been larger than the one before; 0.0 where the last
        was not."""

    def note(self, now: float, lag: int | None) -> None:
        """Take the lag at a moment (seconds of a monotonic clock); None where it is unknown."""
        if lag is None:
            self.begin_again()
        elif self._at is None:
            self._at, self._lag = now, lag
        elif (passed := now - self._at) >= SAMPLE_SECONDS:
            self.growing_seconds = self.growing_seconds + passed if lag > self._lag else 0.0
            self._at, self._lag = now, lag

    def begin_again(self) -> None:
        """Other partitions are read from now on, whose lag compares with nothing."""
        self._at, self.growing_seconds = None, 0.0
