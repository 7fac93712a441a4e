"""Conversions of cells."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.csv_conversions import CONVERSIONS
from ptingest.pipeline.logstash.values import Timestamp

DAY = 1_767_312_000_000_000_000
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", " 42 ", 42),
        ("integer", "-0x1F", -31),
        ("integer", "0b11", 3),
        ("integer", "010", 8),
        ("integer", "08", "08"),
        ("integer", "0", 0),
        ("integer", "1_000", 1000),
        ("integer", "0d09", 9),
        ("integer", "2.5", "2.5"),
        ("integer", "", ""),
        ("integer", "0x" + "f" * 5000, "0x" + "f" * 5000),
        ("float", "0x1p99999", "0x1p99999"),
        ("float", "1e3", 1000.0),
        ("float", " .5 ", 0.5),
        ("float", "0x1.8p1", 3.0),
        ("float", "5.", "5."),
        ("float", "1e999", "1e999"),
        ("float", "NaN", "NaN"),
        ("boolean", " TRUE ", True),
        ("boolean", "false", False),
        ("boolean", "None", "none"),
        ("date", "2026-01-02", Timestamp(DAY)),
        ("date", "Fri, Jan 2, 2026", Timestamp(DAY)),
        ("date", "January 2 26", Timestamp(DAY)),
        ("date", "2026-02-30", "2026-02-30"),
        ("date", "Foo 2 2026", "Foo 2 2026"),
        ("date", "Feb 30 2026", "Feb 30 2026"),
        ("date", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("date_time", "2026-01-02 00:00:05", Timestamp(DAY + 5 * SECOND)),
        ("date_time", "2026-01-02T01:00:00+01:00", Timestamp(DAY)),
        ("date_time", "2026-01-02 00:00:00 UTC", Timestamp(DAY)),
        ("date_time", "2026-01-02T00:00:00.123456789Z", Timestamp(DAY + 123_456_789)),
        ("date_time", "2026-01-02T25:00:00Z", "2026-01-02T25:00:00Z"),
        ("date_time", "Jan 2 00:00:05 2026", Timestamp(DAY + 5 * SECOND)),
        ("date_time", "Jan 2 24:00:05 2026", "Jan 2 24:00:05 2026"),
        ("date_time", "Jan 2 2026", "Jan 2 2026"),
    ],
)
def test_cells_become_values(kind: str, text: str, value: Any) -> None:
    found = CONVERSIONS[kind](text)

    assert found == value
    assert type(found) is type(value)
