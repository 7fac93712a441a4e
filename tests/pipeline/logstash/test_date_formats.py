"""The formats of the date filter."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.logstash.date_formats import compile_date_format
from ptingest.pipeline.logstash.locale_names import locale_names
from ptingest.pipeline.logstash.values import Value
from ptingest.pipeline.logstash.zones import zone_of
from ptingest.pipeline.timestamps import day_number
from tests.pipeline.logstash.recorded_times import RECORDED

NANOS_A_DAY = 86_400_000_000_000
NOVEMBER = day_number(2026, 11, 29) * NANOS_A_DAY


def read(name: str, value: Value, *, zone: str = "UTC", now_ns: int = NOVEMBER) -> int | None:
    names, found = locale_names("en"), zone_of(zone)
    assert names is not None
    assert found is not None
    return compile_date_format(name, names)(value, found, now_ns)


def test_iso_texts_are_read_as_joda_read_them() -> None:
    wrong = [
        (zone, text, millis)
        for zone, text, millis in RECORDED["iso_read"]
        if read("ISO8601", text, zone=zone) != millis
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("2026-01-02 03:04:05.678", 1_767_323_045_678),
        ("2026-01-02 03:04:05,678", 1_767_323_045_678),
        ("2026-01-02 03:04:05.678Z", 1_767_323_045_678),
        ("2026-01-02 03:04:05,678+01:00", 1_767_319_445_678),
        ("2026-01-02 03:04:05", None),
        (1_767_323_045, None),
        (None, None),
    ],
)
def test_a_space_for_the_t_needs_a_fraction(text: Value, millis: int | None) -> None:
    assert read("ISO8601", text) == millis


@pytest.mark.parametrize(
    ("name", "value", "millis"),
    [
        ("UNIX", "1735786800.5", 1_735_786_800_500),
        ("UNIX", "-1.5", -500),
        ("UNIX", "1.1234x", 1123),
        ("UNIX", "1.", None),
        ("UNIX", ".5", None),
        ("UNIX", " 5", None),
        ("UNIX", "1e9", None),
        ("UNIX", "2147483648", None),
        ("UNIX", 1.5, 1500),
        ("UNIX", Decimal("1.25"), 1250),
        ("UNIX", 2_147_483_648, None),
        ("UNIX", True, None),
        ("UNIX", [1], None),
        ("UNIX", float("nan"), None),
        ("UNIX_MS", "1735786800123", 1_735_786_800_123),
        ("UNIX_MS", "1.5", None),
        ("UNIX_MS", 1.9, 1),
        ("UNIX_MS", Decimal("1.9"), 1),
        ("UNIX_MS", Decimal("1E+99999999"), None),
        ("UNIX_MS", Decimal("-1E+99999999"), None),
        ("UNIX_MS", 10**30, None),
        ("UNIX_MS", False, None),
        ("TAI64N", "@4000000050d506482dbdf024", 1_356_138_046_767),
        ("TAI64N", "@4000000050d506482dbdf024 x", 1_356_138_046_767),
        ("TAI64N", "@4000000050d50648", None),
        ("TAI64N", "@zz00000050d506482dbdf024", None),
        ("TAI64N", 5, None),
        ("yyyy", 2026, None),
    ],
)
def test_numbers_are_times(name: str, value: Value, millis: int | None) -> None:
    assert read(name, value) == millis


@pytest.mark.parametrize(
    ("now", "text", "date"),
    [
        ((2026, 11, 29), "Nov 30", (2026, 11, 30)),
        ((2026, 1, 3), "Dec 31", (2025, 12, 31)),
        ((2026, 12, 31), "Jan 01", (2027, 1, 1)),
        ((2026, 6, 1), "Feb 29", None),
        ((2028, 6, 1), "Feb 29", (2028, 2, 29)),
    ],
)
def test_a_time_without_a_year_is_near_the_clock(
    now: tuple[int, int, int], text: str, date: tuple[int, int, int] | None
) -> None:
    found = read("MMM dd", text, now_ns=day_number(*now) * NANOS_A_DAY)

    assert found == (None if date is None else day_number(*date) * 86_400_000)


def test_a_time_of_day_alone_is_of_the_first_of_january() -> None:
    assert read("HH:mm", "03:04") == day_number(2026, 1, 1) * 86_400_000 + 184 * 60_000


PART = st.integers(0, 99).map("{:02d}".format)


@given(
    century=st.sampled_from(["19", "20", "00"]), parts=st.tuples(*[PART] * 6),
    joint=st.sampled_from("T tx"), point=st.sampled_from(".,;"), digits=PART,
    zone=st.sampled_from(["", "Z", "z", "+00:00"]),
)  # fmt: skip
def test_usual_times_are_read_as_the_same_times_written_otherwise(
    century: str, parts: tuple[str, ...], joint: str, point: str, digits: str, zone: str
) -> None:
    year, month, day, hour, minute, second = parts
    text = f"{century}{year}-{month}-{day}{joint}{hour}:{minute}:{second}"

    usual = [read("ISO8601", f"{text}{more}{zone}") for more in (f"{point}{digits}0", "")]

    # Two digits of a second, or a comma with one, are read without the cache.
    assert usual[0] == read("ISO8601", f"{text}{point}{digits}{zone}")
    assert usual[1] == (None if joint == " " else read("ISO8601", f"{text}.0{zone}"))
