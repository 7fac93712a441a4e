"""Filebeat's time, with its minutes cached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.logstash.sent_times import KEPT_MINUTES, SentTimes
from ptingest.pipeline.timestamps import read_event_time

TIMES = SentTimes()


def plain(text: str) -> int | None:
    found = read_event_time(text)
    return None if found is None else found.seconds * 1_000_000_000 + found.nanos


@given(st.datetimes(), st.integers(0, 999))
def test_a_usual_time_is_read_as_any_other(moment: object, millis: int) -> None:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"

    assert TIMES.read(text) == plain(text)


@pytest.mark.parametrize(
    "text",
    ["2025-01-02T03:04:60.000Z", "2025-13-02T03:04:05.000Z", "2025-01-02T03:04:05.12½Z",
     "2025-01-02T03:04:05.1234Z", "2025-01-02", "x", "", "2025-01-02T03:04:0５.123Z"],
)  # fmt: skip
def test_every_other_text_is_read_in_full(text: str) -> None:
    assert TIMES.read(text) == plain(text)


def test_few_minutes_are_kept() -> None:
    times = SentTimes()

    for number in range(KEPT_MINUTES + 10):
        times.read(f"2025-{number // 1000 + 1:02d}-01T{number % 24:02d}:{number // 24 % 60:02d}:0")

    assert len(times._minutes) <= KEPT_MINUTES
