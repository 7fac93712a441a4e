from __future__ import annotations

import pytest

from ptingest.telemetry.histogram import growth, quantile

INF = float("inf")


@pytest.mark.parametrize(
    ("buckets", "share", "value"),
    [
        ([], 0.5, None),
        ([(1.0, 0), (INF, 0)], 0.5, None),
        ([(1.0, 10), (2.0, 10), (INF, 10)], 0.5, 0.5),
        ([(1.0, 0), (2.0, 10), (INF, 10)], 0.5, 1.5),
        ([(1.0, 5), (2.0, 5), (4.0, 10), (INF, 10)], 0.75, 3.0),
        ([(1.0, 0), (2.0, 0), (INF, 10)], 0.99, 2.0),
    ],
)
def test_a_quantile_lies_in_its_bucket(
    buckets: list[tuple[float, int]], share: float, value: float | None
) -> None:
    assert quantile(buckets, share) == value


def test_growth_is_never_less_than_nothing() -> None:
    assert growth([(1.0, 5), (INF, 9)], [(1.0, 7), (INF, 8)]) == [(1.0, 2), (INF, 0)]
    assert growth([], [(1.0, 7)]) == [(1.0, 7)]
