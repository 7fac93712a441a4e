"""Filebeat's time, with its minutes cached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.fast.cache import CACHED_VALUES
from ptingest.pipeline.logstash.sent_times import SentTimes
from ptingest.pipeline.timestamps import read_event_time

TIMES = SentTimes()


def plain(text: str) -> int | None:
    found = read_event_time(text)
    return None if found is None else found.seconds * 1_000_000_000 + found.nanos


@given(st.datetimes(), st.integers(0, 999))
def test_a_usual_time_is_read_as_any_other(moment: object, millis: int) -> None:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"

    assert TIMES.read(f'"{text}"'.encode()) == plain(text)


@pytest.mark.parametrize(
    "text",
    ["2025-01-02T24:00:00.000Z", "2025-01-02T24:00:00.001Z", "2025-02-30T03:04:05.678Z",
     "2025-01-02T03:04:60.000Z", "2025-13-02T03:04:05.000Z", "2025-01-02T03:04:05.12½Z",
     "2025-01-02T03:04:05.1234Z", "2025-01-02", "x", "", "2025-01-02T03:04:0５.123Z"],
)  # fmt: skip
def test_every_other_text_is_read_in_full(text: str) -> None:
    assert TIMES.read(f'"{text}"'.encode()) == plain(text)


@pytest.mark.parametrize("raw", [b"", b"7", b"null", b"{}", b'x.000Z"'])
def test_what_is_no_text_is_no_time(raw: bytes) -> None:
    assert TIMES.read(raw) is None


def test_few_seconds_are_kept() -> None:
    times = SentTimes()

    for number in range(CACHED_VALUES + 10):
        minute, second = divmod(number, 60)
        times.read(b'"2025-01-02T%02d:%02d:%02d.000Z"' % (*divmod(minute, 60), second))

    assert len(times) <= CACHED_VALUES
