from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.pipeline.timestamps import (
    Instant,
    MinuteCache,
    TimeReader,
    civil_date,
    day_number,
    instant_text,
    read_event_time,
)
from ptingest.settings.profile import TimeSettings
from tests.pipeline.reference import line_time

FUZZ = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))["grok_fuzz"]


def reader(*formats: str, timezone: str = "UTC", is_full: bool = False) -> TimeReader:
    return TimeReader(
        TimeSettings(formats=formats or ("ISO8601",)), timezone=timezone, is_full=is_full
    )


def shown(instant: Instant | None) -> str | None:
    return instant and instant_text(instant)


def test_times_equal_those_of_the_real_date_filter() -> None:
    under_test = reader()

    for case in FUZZ:
        text = case["captures"].get("log_timestamp")
        instant = None if text is None else under_test.read(text)

        assert (instant and instant.millis) == case["timestamp_epoch_ms"], text


@given(st.dates())
def test_day_numbers_agree_with_the_standard_library(day: date) -> None:
    number = day_number(day.year, day.month, day.day)

    assert number == day.toordinal() - date(1970, 1, 1).toordinal()
    assert civil_date(number) == (day.year, day.month, day.day)


@given(st.integers(-(10**9), 10**9))
def test_day_numbers_go_there_and_back_in_any_year(number: int) -> None:
    assert day_number(*civil_date(number)) == number


TEXTS = st.from_regex(
    r"\A[0-9]{1,4}-[01]?[0-9]-[0-3]?[0-9][T ][0-2]?[0-9]:[0-6][0-9]"
    r"(:[0-6]?[0-9]([.,][0-9]{1,10})?)?(Z|[+-][0-2][0-9]:?[0-6][0-9])?\Z"
)


@settings(max_examples=300)
@given(TEXTS)
@pytest.mark.slow
def test_line_times_agree_with_the_plain_twin(text: str) -> None:
    assert shown(reader().read(text)) == line_time(text)


SENT = {
    "milliseconds stay": ("2025-01-02T03:04:06.123Z", "2025-01-02T03:04:06.123Z"),
    "whole seconds get three digits": ("2025-01-02T03:04:06Z", "2025-01-02T03:04:06.000Z"),
    "tenths get three digits": ("2025-01-02T03:04:06.1Z", "2025-01-02T03:04:06.100Z"),
    "microseconds stay six": ("2025-01-02T03:04:06.123456Z", "2025-01-02T03:04:06.123456Z"),
    "four digits become six": ("2025-01-02T03:04:06.1234Z", "2025-01-02T03:04:06.123400Z"),
    "nanoseconds stay nine": ("2025-01-02T03:04:06.000000001Z", "2025-01-02T03:04:06.000000001Z"),
    "offsets are converted": ("2025-01-02T03:04:06.1+02:00", "2025-01-02T01:04:06.100Z"),
    "offsets need no colon": ("2025-01-02T03:04:06-0530", "2025-01-02T08:34:06.000Z"),
    "no zone is UTC": ("2025-01-02T03:04:06", "2025-01-02T03:04:06.000Z"),
    "a date is midnight": ("2025-01-02", "2025-01-02T00:00:00.000Z"),
    "letters may be small": ("2025-01-02t03:04:06z", "2025-01-02T03:04:06.000Z"),
    "24:00 is the next day": ("2025-01-02T24:00:00Z", "2025-01-03T00:00:00.000Z"),
    "a day too many is the month's last": ("2025-02-30T00:00:00Z", "2025-02-28T00:00:00.000Z"),
    "the year 0 exists": ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
    "longer years need a sign": ("+10000-01-01T00:00:00Z", "+10000-01-01T00:00:00.000Z"),
    "years before 0 are signed": ("-0001-12-31T00:00:00Z", "-0001-12-31T00:00:00.000Z"),
    "a long year without a sign is refused": ("10000-01-01T00:00:00Z", None),
    "a short year with a sign is refused": ("+2025-01-01T00:00:00Z", None),
    "month 13 is refused": ("2025-13-01T00:00:00Z", None),
    "24:00:01 is refused": ("2025-01-02T24:00:01Z", None),
    "offsets end at 18 hours": ("2025-01-02T03:04:06+18:01", None),
    "a space is refused": ("2025-01-02 03:04:06Z", None),
    "nonsense is refused": ("garbage", None),
}


@pytest.mark.parametrize(("text", "expected"), SENT.values(), ids=SENT.keys())
def test_sent_times_are_read_and_printed_as_logstash_does(text: str, expected: str | None) -> None:
    assert shown(read_event_time(text)) == expected


FULL = {
    "cut digits are put back": ("2025-01-02T03:04:05", "678901", "2025-01-02T03:04:05.678901Z"),
    "space without fraction": ("2025-01-02 03:04:05", None, "2025-01-02T03:04:05.000Z"),
    "space with cut digits": ("2025-01-02 03:04:05", "678", "2025-01-02T03:04:05.678Z"),
    "nine digits": ("2025-01-02T03:04:05.123456789Z", None, "2025-01-02T03:04:05.123456789Z"),
    "a signed fraction is left out": ("2025-01-02T03:04:05", "+678", "2025-01-02T03:04:05.000Z"),
    "a second fraction is left out": ("2025-01-02T03:04:05.678", "901", "2025-01-02T03:04:05.678Z"),
    "what has no date stays a failure": ("2025-02-30T03:04:05", "678", None),
}


@pytest.mark.parametrize(("text", "fraction", "expected"), FULL.values(), ids=FULL.keys())
def test_full_precision_keeps_every_digit(
    text: str, fraction: str | None, expected: str | None
) -> None:
    assert shown(reader(is_full=True).read(text, fraction)) == expected


ZONED = {
    "the gap of spring is a failure": ("2025-03-30T02:30:00", None),
    "the earlier of two in autumn": ("2025-10-26T02:30:00", "2025-10-26T00:30:00.000Z"),
    "summer time": ("2025-07-01T12:00:00", "2025-07-01T10:00:00.000Z"),
    "a zone in the text wins": ("2025-07-01T12:00:00Z", "2025-07-01T12:00:00.000Z"),
    "the last second of 9999": ("9999-12-31T23:59:59", "9999-12-31T22:59:59.000Z"),
    "local mean time long ago": ("0000-06-01T00:00:00", "0000-05-31T22:36:00.000Z"),
}


@pytest.mark.parametrize(("text", "expected"), ZONED.values(), ids=ZONED.keys())
def test_times_without_a_zone_are_in_the_profiles(text: str, expected: str | None) -> None:
    instant = reader(timezone="Europe/Warsaw").read(text)

    assert shown(instant) == expected


FORMATS = {
    "UNIX": ("1735787045.25", "2025-01-02T03:04:05.250Z"),
    "UNIX ": ("-0.5", "1969-12-31T23:59:59.500Z"),
    "UNIX_MS": ("-1", "1969-12-31T23:59:59.999Z"),
    "%d/%b/%Y:%H:%M:%S %z": ("02/Jan/2025:03:04:05 +0100", "2025-01-02T02:04:05.000Z"),
    "%d.%m.%Y %H:%M:%S": ("02.01.2025 03:04:05", "2025-01-02T03:04:05.000Z"),
}


@pytest.mark.parametrize(("name", "case"), FORMATS.items(), ids=FORMATS.keys())
def test_other_formats(name: str, case: tuple[str, str]) -> None:
    text, expected = case

    assert shown(reader("ISO8601", name.strip()).read(text)) == expected
    assert reader(name.strip()).read("x") is None


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Warsaw", "Asia/Kathmandu"])
def test_remembered_minutes_agree_with_the_reader(timezone: str) -> None:
    under_test = reader(timezone=timezone)
    cache = MinuteCache(under_test)

    for text in ("2025-01-02T03:04", "2025-07-01 12:59", "2025-03-30T02:30", "0025-01-01T00:00"):
        minute = cache[text.encode()]
        instant = under_test.read_fully(text.replace(" ", "T") + ":07.250")

        if minute is None:
            assert instant is None or instant.seconds % 60 != 7
        else:
            assert instant is not None
            assert instant_text(instant) == minute.opening.decode() + "07.250Z"
            assert instant.millis == minute.millis + 7250


def test_a_printed_instant_is_the_standard_librarys() -> None:
    moment = datetime(2025, 7, 1, 23, 59, 59, tzinfo=UTC)

    assert shown(Instant(int(moment.timestamp()), 0)) == "2025-07-01T23:59:59.000Z"
