"""What the fields of a Joda-Time pattern do to a local time, one after the other.

Joda collects the fields that a text gives, sorts them from the largest to the smallest, and
sets each on a local time that begins as 1970-01-01T00:00, twice: each field first cuts off
everything below it, then keeps it. That is how contradicting fields (a Thursday that the date
is not) have a meaning. Here a local time is (day number, millisecond of the day).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ptingest.pipeline.logstash.moments import first_week, weekday
from ptingest.pipeline.logstash.zones import MS_A_DAY
from ptingest.pipeline.timestamps import civil_date, day_number, days_in_month

MIN_YEAR, MAX_YEAR = -292_275_054, 292_278_993
Local = tuple[int, int]
_HOUR, _MINUTE, _SECOND = 3_600_000, 60_000, 1000
_MONTH_RANK, _DAY_RANK = 8, 6


class JodaField(NamedTuple):
    """One field: its place in the order, how it is set and what it cuts off."""

    span: int
    """Rank of what it repeats in: an hour of the day in days. Unlimited ones have the highest."""
    unit: int
    """Rank of its own unit."""
    put: Callable[[Local, int], Local]
    """Set it; ValueError when the value is out of its bounds."""
    floor: Callable[[Local], Local]
    """Cut off everything below it."""


def resolve(given: list[tuple[JodaField, int]], *, default_year: int) -> int:
    """Return the local time in milliseconds that the fields make.

    Raises:
        ValueError: a value is out of its field's bounds, such as 30 February.
    """
    given = sorted(given, key=_order)
    if given and _DAY_RANK <= given[0][0].unit <= _MONTH_RANK:
        given.insert(0, (FIELDS["y"], default_year))
    local = (0, 0)
    for field, value in given:
        local = field.floor(field.put(local, value))
    for field, value in given:
        local = field.put(local, value)
    if given:
        local = given[-1][0].floor(local)
    return local[0] * MS_A_DAY + local[1]


def _order(item: tuple[JodaField, int]) -> tuple[int, int]:
    return -item[0].span, -item[0].unit


def bounded(value: int, low: int, high: int) -> int:
    """Return the value.

    Raises:
        ValueError: it is out of the bounds.
    """
    if not low <= value <= high:
        raise ValueError(f"{value} is not between {low} and {high}")
    return value


def year_of_era(year: int) -> int:
    """Count a year within its era: the year 0 is 1 BC."""
    return year if year > 0 else 1 - year


def _put_era(local: Local, era: int) -> Local:
    year = civil_date(local[0])[0]
    return _put_year(local, 1 - year) if (year > 0) != bool(era) else local


def _floor_era(local: Local) -> Local:
    return day_number(1 if civil_date(local[0])[0] > 0 else MIN_YEAR, 1, 1), 0


def _put_year_of_era(local: Local, year: int) -> Local:
    bounded(year, 1, MAX_YEAR)
    return _put_year(local, year if civil_date(local[0])[0] > 0 else 1 - year)


def _put_century(local: Local, century: int) -> Local:
    bounded(century, 0, MAX_YEAR // 100)
    year = century * 100 + year_of_era(civil_date(local[0])[0]) % 100
    return _put_year_of_era(local, year)


def _floor_century(local: Local) -> Local:
    year = year_of_era(civil_date(local[0])[0]) // 100 * 100
    return day_number(year if civil_date(local[0])[0] > 0 else 1 - year, 1, 1), 0


def _put_year(local: Local, year: int) -> Local:
    bounded(year, MIN_YEAR, MAX_YEAR)
    _, month, day = civil_date(local[0])
    return day_number(year, month, min(day, days_in_month(year, month))), local[1]


def _week_year(days: int) -> int:
    return civil_date(days - weekday(days) + 4)[0]


def _weeks(year: int) -> int:
    return (first_week(year + 1) - first_week(year)) // 7


def _put_week_year(local: Local, year: int) -> Local:
    bounded(year, MIN_YEAR, MAX_YEAR)
    week = (local[0] - first_week(_week_year(local[0]))) // 7
    start = first_week(year) + 7 * min(week, _weeks(year) - 1)
    return start + weekday(local[0]) - 1, local[1]


def _put_week(local: Local, week: int) -> Local:
    year = _week_year(local[0])
    bounded(week, 1, _weeks(year))
    return first_week(year) + 7 * (week - 1) + weekday(local[0]) - 1, local[1]


def _put_month(local: Local, month: int) -> Local:
    bounded(month, 1, 12)
    year, _, day = civil_date(local[0])
    return day_number(year, month, min(day, days_in_month(year, month))), local[1]


def _put_day(local: Local, day: int) -> Local:
    year, month, _ = civil_date(local[0])
    return day_number(year, month, bounded(day, 1, days_in_month(year, month))), local[1]


def _put_day_of_year(local: Local, day: int) -> Local:
    year = civil_date(local[0])[0]
    first = day_number(year, 1, 1)
    return first + bounded(day, 1, day_number(year + 1, 1, 1) - first) - 1, local[1]


def _put_day_of_week(local: Local, day: int) -> Local:
    return local[0] - weekday(local[0]) + bounded(day, 1, 7), local[1]


def _in_day(unit: int, count: int, low: int = 0) -> Callable[[Local, int], Local]:
    """Return what sets a part of the day of ``unit`` ms, ``count`` of which make the next."""

    def put(local: Local, value: int) -> Local:
        bounded(value, low, low + count - 1)
        old = local[1] // unit % count
        return local[0], local[1] + (value % count - old) * unit

    return put


def _floor_in_day(unit: int) -> Callable[[Local], Local]:
    return lambda local: (local[0], local[1] - local[1] % unit)


def _floor_day(local: Local) -> Local:
    return local[0], 0


FIELDS: dict[str, JodaField] = {
    "G": JodaField(11, 11, _put_era, _floor_era),
    "C": JodaField(11, 10, _put_century, _floor_century),
    "y": JodaField(11, 9, _put_year, lambda local: (day_number(civil_date(local[0])[0], 1, 1), 0)),
    "Y": JodaField(
        11, 9, _put_year_of_era, lambda local: (day_number(civil_date(local[0])[0], 1, 1), 0)
    ),
    "x": JodaField(11, 9, _put_week_year, lambda local: (first_week(_week_year(local[0])), 0)),
    "M": JodaField(
        9, _MONTH_RANK, _put_month, lambda local: (day_number(*civil_date(local[0])[:2], 1), 0)
    ),
    "w": JodaField(9, 7, _put_week, lambda local: (local[0] - weekday(local[0]) + 1, 0)),
    "D": JodaField(9, _DAY_RANK, _put_day_of_year, _floor_day),
    "d": JodaField(_MONTH_RANK, _DAY_RANK, _put_day, _floor_day),
    "e": JodaField(7, _DAY_RANK, _put_day_of_week, _floor_day),
    "a": JodaField(_DAY_RANK, 5, _in_day(12 * _HOUR, 2), _floor_in_day(12 * _HOUR)),
    "H": JodaField(_DAY_RANK, 4, _in_day(_HOUR, 24), _floor_in_day(_HOUR)),
    "k": JodaField(_DAY_RANK, 4, _in_day(_HOUR, 24, 1), _floor_in_day(_HOUR)),
    "K": JodaField(5, 4, _in_day(_HOUR, 12), _floor_in_day(_HOUR)),
    "h": JodaField(5, 4, _in_day(_HOUR, 12, 1), _floor_in_day(_HOUR)),
    "m": JodaField(4, 3, _in_day(_MINUTE, 60), _floor_in_day(_MINUTE)),
    "s": JodaField(3, 2, _in_day(_SECOND, 60), _floor_in_day(_SECOND)),
    "S": JodaField(2, 1, _in_day(1, 1000), _floor_in_day(1)),
}
"""By format letter; days of the week as text are ``e`` as well."""
