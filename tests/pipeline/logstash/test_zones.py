"""Zones by name, and local times in them."""

from datetime import UTC, timedelta

import pytest

from ptingest.pipeline.logstash.zones import local_millis, utc_millis, zone_of
from ptingest.pipeline.timestamps import day_number

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        ("UTC", 0),
        ("Z", 0),
        ("+02:00", 120),
        ("-0330", -210),
        ("UTC+01:00", 60),
        ("Etc/GMT+5", -300),
    ],
)
def test_a_zone_has_a_name_or_an_offset(name: str, minutes: int) -> None:
    zone = zone_of(name)

    assert zone is not None
    assert local_millis(0, zone) == minutes * 60_000
    assert utc_millis(minutes * 60_000, zone) == 0


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../UTC", "+25:00", "5", "\0"])
def test_other_names_are_none(name: str) -> None:
    assert zone_of(name) is None


def test_a_local_time_in_a_gap_is_none_and_a_double_one_the_earlier() -> None:
    berlin = zone_of("Europe/Berlin")
    assert berlin is not None
    spring, autumn = day_number(2026, 3, 29) * 24 * HOUR, day_number(2026, 10, 25) * 24 * HOUR

    assert utc_millis(spring + 2 * HOUR + 1, berlin) is None
    assert utc_millis(spring + 3 * HOUR, berlin) == spring + HOUR
    assert utc_millis(autumn + 2 * HOUR, berlin) == autumn
    assert local_millis(autumn, berlin) == autumn + 2 * HOUR


@pytest.mark.parametrize("year", [-5000, 0, 1, 9999, 20_260_102])
def test_years_that_datetime_cannot_hold_have_a_zone_as_well(year: int) -> None:
    berlin = zone_of("Europe/Berlin")
    assert berlin is not None
    january = day_number(year, 1, 10) * 24 * HOUR

    moment = utc_millis(january, berlin)

    assert moment is not None
    assert january - moment == (HOUR if year > 1900 else 53 * 60_000 + 28_000)
    assert local_millis(moment, berlin) == january
    assert zone_of("UTC") is UTC
    assert UTC.utcoffset(None) == timedelta()
