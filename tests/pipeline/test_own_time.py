from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.pipeline.own_time import SEARCHED_BYTES, SEARCHED_CLOCKS, OwnTimes
from ptingest.pipeline.timestamps import TimeReader
from tests.support.profile import shipped_profile

MILLIS = 1_735_787_045_000


def times(timezone: str = "UTC") -> OwnTimes:
    of_profile = shipped_profile().groups[0].time
    return OwnTimes(TimeReader(of_profile, timezone=timezone, is_full=False))


@pytest.mark.parametrize(
    ("line", "text", "millis"),
    [
        ("2025-01-02T03:04:05.678Z", "2025-01-02T03:04:05.678Z", MILLIS + 678),
        ("[2025-01-02 03:04:05 +0000] [1] [INFO]", "2025-01-02 03:04:05 +0000", MILLIS),
        ("[2025-01-02 03:04:05,678: INFO/MainProcess]", "2025-01-02 03:04:05,678", MILLIS + 678),
        ("at 2025-01-02T03:04 there", "2025-01-02T03:04", MILLIS - 5000),
        (
            "2025-01-02T05:34:05.123456789+02:30",
            "2025-01-02T05:34:05.123456789+02:30",
            MILLIS + 123,
        ),
        ("2025-01-02 03:04:05.6 UTC [1] LOG:", "2025-01-02 03:04:05.6 UTC", MILLIS + 600),
        ("2025/01/02 03:04:05 [error] 31#31: x", "2025/01/02 03:04:05", MILLIS),
        ("::1 - - [02/Jan/2025:03:04:05 +0000] x", "02/Jan/2025:03:04:05 +0000", MILLIS),
        ("x [02/Jan/2025:08:34:05 +0530] x", "02/Jan/2025:08:34:05 +0530", MILLIS),
        ("x [02/Jan/2025 03:04:05] x", "02/Jan/2025 03:04:05", MILLIS),
        ("Thu, 02 Jan 2025 03:04:05 GMT", "02 Jan 2025 03:04:05 GMT", MILLIS),
        ("1:M 02 Jan 2025 03:04:05.678 * Ready", "02 Jan 2025 03:04:05.678", MILLIS + 678),
        ("[Thu Jan  2 03:04:05 2025] GET /", "Jan  2 03:04:05 2025", MILLIS),
        ("[Thu Jan 02 03:04:05.678 2025] x", "Jan 02 03:04:05.678 2025", MILLIS + 678),
        ("Thu Jan 02 2025 08:34:05 GMT+0530", "Jan 02 2025 08:34:05 GMT+0530", MILLIS),
        ("[I 250102 03:04:05 web:2239] 200", "250102 03:04:05", MILLIS),
        ('{"msg":"x","time":"2025-01-02T03:04:05Z"}', "2025-01-02T03:04:05Z", MILLIS),
        ('{"time":1735787045,"msg":"x"}', "1735787045", MILLIS),
        ('{"time":1735787045678,"msg":"x"}', "1735787045678", MILLIS + 678),
        ('{"timestamp": 1735787045678901}', "1735787045678901", MILLIS + 678),
        ('{"@timestamp":"1735787045678901234"}', "1735787045678901234", MILLIS + 678),
        ('{"ts":1735787045.67}', "1735787045.67", MILLIS + 670),
        ('{"remote_addr":"1.2.3.4","msec":"1735787045.678"}', "1735787045.678", MILLIS + 678),
        ("30 Feb 2025 00:00:00 counts", "30 Feb 2025 00:00:00", 1_740_700_800_000),
        ("2025-01-02 03:04:60", "2025-01-02 03:04:60", MILLIS + 55_000),
        ("a\nb 2025-01-02 03:04:05\nc 2026-01-02 03:04:05", "2025-01-02 03:04:05", MILLIS),
        ("at 12:00:00 was 02/Jam/2025:01:01:01 2025-01-02 03:04:05", "2025-01-02 03:04:05", MILLIS),
    ],
)
def test_the_first_time_of_a_line_is_found(line: str, text: str, millis: int) -> None:
    assert times().find_in_text(line) == (text.encode(), millis)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Connected to redis://redis:6379/0",
        "03:04:05 without a date",
        "Jan  2 03:04:05 without a year",
        "2025-01-02 without a clock",
        "2025-13-02 03:04:05",
        "2025-01-02 24:04:05",
        "2025-01/02 03:04:05",
        "02/Jam/2025:03:04:05",
        "1735787045678 alone",
        '{"id":1735787045678}',
        '{"uptime":1735787045}',
        '{"time":17357870456}',
        '{"time":42}',
        '[{"time":1735787045}]',
        "2001:db8:1:2:33:44",
        "a1:b2:33:44:55:66",
    ],
)
def test_what_is_no_whole_time_is_none(line: str) -> None:
    assert times().find_in_text(line) is None


def test_a_time_without_a_zone_is_the_profiles() -> None:
    warsaw = times("Europe/Warsaw")

    assert warsaw.find_in_text("2025/01/02 04:04:05 x") == (b"2025/01/02 04:04:05", MILLIS)
    assert warsaw.find_in_text("2025-01-02T03:04:05Z") == (b"2025-01-02T03:04:05Z", MILLIS)
    # In the gap of spring, and one that happens twice.
    for text in ("2025-03-30 02:30:00", "2025-10-26 02:30:00"):
        found = warsaw.find_in_text(text)
        assert found is not None
        wanted = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000
        assert abs(found[1] - wanted) <= 2 * 3_600_000


def test_it_looks_so_far_and_no_further() -> None:
    time = " 2025-01-02 03:04:05"

    assert times().find_in_text("x" * (SEARCHED_BYTES - len(time)) + time) is not None
    assert times().find_in_text("x" * SEARCHED_BYTES + time) is None
    assert times().find_in_text("1 11:11 " * (SEARCHED_CLOCKS - 1) + time) is not None
    assert times().find_in_text("1 11:11 " * SEARCHED_CLOCKS + time) is None


@settings(deadline=None)
@given(before=st.text(max_size=6), after=st.text(max_size=6))
@pytest.mark.slow
def test_a_part_of_a_payload_and_a_text_give_the_same(before: str, after: str) -> None:
    line = f"{before} 2025-01-02 03:04:05 {after}"
    raw = b'"' + line.encode() + b'"'

    assert times().find(raw, 1, len(raw) - 1) == times().find_in_text(line)


@settings(max_examples=50, deadline=None)
@given(
    st.text("0123456789:-/T Z+.,Jan\\é", max_size=12),
    st.sampled_from(["", "2025-01-02T03:04:05.678Z", "2025/01/02 03:04:05", '{"ts":1735787045']),
    st.text('0123456789:.,+Z \\"', max_size=8),
)
def test_a_text_as_json_has_the_time_of_the_text(before: str, time: str, after: str) -> None:
    line = before + time + after

    assert times().find_in_json(json.dumps(line).encode()) == times().find_in_text(line)


@pytest.mark.parametrize(
    "line",
    [
        "x [02/Jan/2025:03:04:05 +0000] x",
        "02/Jan/2025:03:04:05 +0000",
        "02/Jan/2025:03:04:05 +00001 x",
        "02/Jan/2025:03:04:05 +000",
        "102/Jan/2025:03:04:05 +0000",
        "2025/01/02 03:04:05 02/Jan/2025:03:04:05 +0000",
        "2001:db8:11::12 02/Jan/2025:03:04:05 +0000",
    ],
)
def test_a_time_seen_before_is_found_as_at_first(line: str) -> None:
    warm, raw = times(), f'"{line}"'.encode()
    warm.find_in_text("[02/Jan/2025:03:04:05 +0000]")

    assert warm.find_in_text(line) == times().find_in_text(line)
    for end in range(len(raw)):
        assert warm.find(raw, 1, end) == times().find(raw[:end], 1)


PARTS = (
    "2025-01-02T03:04:05.678", "2025-01-02 03:04:05,678", "2025-01-02T03:04:05", "Z", " UTC", "9",
    "02/Jan/2025:03:04:05 +0000", "Jan  2 03:04:05", " 2025", "250102 03:04:05", "[I ", "+01", " ",
    "|", ":12",
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=5), st.integers(0, 3), st.integers(0, 60))
def test_a_line_like_one_before_has_the_time_that_a_search_finds(
    parts: list[str], start: int, end: int
) -> None:
    warm, line = times(), "".join(parts).encode()
    for seen in ("2025-01-02T03:04:00", "2025-01-02 03:04:00Z", "02/Jan/2025:03:04:05 +0000"):
        warm.find_in_text(seen)

    assert warm.find(line, start) == times().find(line, start)
    assert warm.find(line, start, min(end, len(line))) == times().find(line[:end], start)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(86_400_000, 250_000_000_000_000), st.integers(-1000, 1000))
def test_a_time_of_a_minute_seen_before_is_read_as_any_other(millis: int, minutes: int) -> None:
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    text = (EPOCH + timedelta(milliseconds=millis)).strftime("%Y-%m-%dT%H:%M:%S")
    warm = times()
    warm.find_in_text(f"{text[:16]}:00{zone}")

    found = warm.find_in_text(f"{text}.{millis % 1000:03d}{zone}")

    assert found is not None
    assert found[1] == millis - minutes * 60_000
