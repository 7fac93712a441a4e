"""Histogram buckets: growth between two moments, and quantiles. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Buckets = Sequence[tuple[float, float]]
"""(upper bound, observations up to it), in the order of the bounds."""


def growth(before: Buckets, after: Buckets) -> Buckets:
    """Return the growth of each bucket between two moments, cumulative as the buckets are."""
    known = dict(before)
    return [(bound, max(0, count - known.get(bound, 0))) for bound, count in after]


def quantile(buckets: Buckets, share: float) -> float | None:
    """Return the value below which ``share`` of the observations lie; None when there are none.

    Values are taken to be spread evenly within a bucket. For a value beyond the last bound that
    bound is returned.
    """
    total = buckets[-1][1] if buckets else 0
    if total <= 0:
        return None
    wanted = share * total
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and count > below:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low
