"""Time zones by the names that Joda-Time takes, and local times in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from ptingest.pipeline.timestamps import civil_date, day_number

MS_A_DAY = 86_400_000
_BLOCK = 900_000
"""A quarter of an hour in milliseconds: lines of one time share their offset."""
_OFFSET = re.compile(
    r"([+-])([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{3}))?)?|([0-9]{2})([0-9]{2})?)?"
)
_PREFIX = re.compile(r"(?:UTC|GMT|UT)(?=[+-])")
_FIRST_DAY, _LAST_DAY = day_number(2, 1, 1), day_number(9998, 12, 31)
_DAYS_OF_400_YEARS = 146_097


@lru_cache(maxsize=1000)
def zone_of(name: str) -> tzinfo | None:
    """Return the zone of a tz database name or an offset such as ``+02:00``; None: unknown.

    Names are case-sensitive, as in Joda-Time.
    """
    if name in ("UTC", "Z"):
        return UTC
    offset = _OFFSET.fullmatch(_PREFIX.sub("", name))
    if offset is not None:
        return _fixed(offset)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no such name, a name that is a folder, "../x"
        return None


def _fixed(found: re.Match[str]) -> tzinfo | None:
    sign, hours, *others = found.groups()
    minutes, seconds = int(others[0] or others[3] or 0), int(others[1] or others[4] or 0)
    if int(hours) > 23 or minutes > 59 or seconds > 59:
        return None
    offset = timedelta(
        hours=int(hours), minutes=minutes, seconds=seconds, milliseconds=int(others[2] or 0)
    )
    return timezone(-offset if sign == "-" else offset)


def utc_millis(local: int, zone: tzinfo) -> int | None:
    """Return the moment of a local time, both in milliseconds; None in a gap of the zone.

    A local time that happens twice is the earlier one, as in Joda-Time.
    """
    if zone is UTC:
        return local
    offset = _offset_of_block(local // _BLOCK, zone)
    return _exact_utc_millis(local, zone) if offset is None else local - offset


def local_millis(moment: int, zone: tzinfo) -> int:
    """Return the local time of a moment, both in milliseconds."""
    if zone is UTC:
        return moment
    offset = _datetime(moment).replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()
    return moment + offset // timedelta(milliseconds=1)


@lru_cache(maxsize=4096)
def _offset_of_block(block: int, zone: tzinfo) -> int | None:
    """Return the offset that a quarter of an hour of local time has; None: it has not one alone."""
    first, last = block * _BLOCK, (block + 1) * _BLOCK - 1
    begin, end = _exact_utc_millis(first, zone), _exact_utc_millis(last, zone)
    if begin is None or end is None or first - begin != last - end:
        return None
    return first - begin


def _exact_utc_millis(local: int, zone: tzinfo) -> int | None:
    naive = _datetime(local)
    offset = naive.replace(tzinfo=zone).utcoffset() or timedelta()
    if isinstance(zone, ZoneInfo):
        back = (naive - offset).replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
        if back != naive:
            return None
    return local - offset // timedelta(milliseconds=1)


def _datetime(millis: int) -> datetime:
    """Return the time as a datetime; a year that it cannot hold becomes one like it.

    The calendar repeats after 400 years; a zone's rules do not change beyond what is known.
    """
    days, rest = divmod(millis, MS_A_DAY)
    if days < _FIRST_DAY:
        days = _FIRST_DAY + (days - _FIRST_DAY) % _DAYS_OF_400_YEARS
    elif days > _LAST_DAY:
        days = _LAST_DAY - _DAYS_OF_400_YEARS + (days - _LAST_DAY) % _DAYS_OF_400_YEARS
    year, month, day = civil_date(days)
    return datetime(year, month, day) + timedelta(milliseconds=rest)  # noqa: DTZ001
