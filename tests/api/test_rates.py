from __future__ import annotations

import pytest

from ptingest.api.rates import Rates


def rates_after(seconds: int, a_second: float) -> dict[str, float]:
    """What is shown when a counter grew evenly since the start."""
    rates = Rates(0.0, (0.0,))
    for now in range(10, seconds, 10):
        rates.record(float(now), (now * a_second,))
    return rates.of(0, float(seconds), seconds * a_second)


@pytest.mark.parametrize(
    ("seconds", "spans"),
    [
        (0, []),
        (10, ["current"]),
        (60, ["current", "last_1_minute"]),
        (900, ["current", "last_1_minute", "last_5_minutes", "last_15_minutes"]),
    ],
)
def test_a_span_is_shown_once_it_is_filled(seconds: int, spans: list[str]) -> None:
    assert list(rates_after(seconds, 5.0)) == [*spans, "lifetime"]


def test_every_span_of_an_even_stream_shows_the_same() -> None:
    shown = rates_after(90_000, 20.0)

    assert set(shown.values()) == {20.0}
    assert list(shown)[-3:] == ["last_1_hour", "last_24_hours", "lifetime"]


def test_a_burst_is_seen_in_the_short_spans_first() -> None:
    rates = Rates(0.0, (0.0,))
    for now in range(10, 310, 10):
        rates.record(float(now), (0.0,))

    shown = rates.of(0, 310.0, 600.0)

    assert shown["current"] == 60.0
    assert shown["last_1_minute"] == 10.0
    assert shown["last_5_minutes"] == 2.0


def test_counters_keep_apart() -> None:
    rates = Rates(0.0, (0.0, 100.0))

    assert rates.of(1, 10.0, 120.0) == {"current": 2.0, "lifetime": 2.0}


def test_samples_are_bounded() -> None:
    rates = Rates(0.0, (0.0,))
    for now in range(10, 200_000, 10):
        rates.record(float(now), (0.0,))

    assert len(rates._fine) <= 92
    assert len(rates._coarse) <= 290
