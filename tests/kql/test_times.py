from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ptingest.kql.times import moment, span

NOW = datetime(2025, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2025", "2025-01-01T00:00:00.000Z", "2025-12-31T23:59:59.999Z"),
        ("2024-02", "2024-02-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z"),
        ("2025-01-02", "2025-01-02T00:00:00.000Z", "2025-01-02T23:59:59.999Z"),
        ("2025-01-02T03", "2025-01-02T03:00:00.000Z", "2025-01-02T03:59:59.999Z"),
        ("2025-01-02T03:04", "2025-01-02T03:04:00.000Z", "2025-01-02T03:04:59.999Z"),
        ("2025-01-02T03:04:05Z", "2025-01-02T03:04:05.000Z", "2025-01-02T03:04:05.999Z"),
        ("2025-01-02 03:04:05.678", "2025-01-02T03:04:05.678Z", "2025-01-02T03:04:05.678Z"),
        ("2025-01-02T03:04+02:00", "2025-01-02T01:04:00.000Z", "2025-01-02T01:04:59.999Z"),
        ("now", "2025-03-04T05:06:07.089Z", "2025-03-04T05:06:07.089Z"),
        ("now-1h", "2025-03-04T04:06:07.089Z", "2025-03-04T04:06:07.089Z"),
        ("now+2d", "2025-03-06T05:06:07.089Z", "2025-03-06T05:06:07.089Z"),
    ],
)
def test_a_time_with_parts_missing_is_a_span(text: str, first: str, last: str) -> None:
    assert span(text, NOW) == (first, last)


@pytest.mark.parametrize("text", ["", "soon", "2025-13-01", "now-", "now-999999999w", "9999", "1h"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert span(text, NOW) is None


@pytest.mark.parametrize(
    ("text", "is_end", "expected"),
    [
        ("15m", False, "2025-03-04T04:51:07.089Z"),
        ("7d", True, "2025-02-25T05:06:07.089Z"),
        ("2025-01-02", False, "2025-01-02T00:00:00.000Z"),
        ("2025-01-02", True, "2025-01-02T23:59:59.999Z"),
        ("tomorrow", False, None),
    ],
)
def test_options_take_ages_and_times(text: str, is_end: bool, expected: str | None) -> None:
    assert moment(text, NOW, is_end=is_end) == expected
