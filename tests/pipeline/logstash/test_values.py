"""Values of events."""

from decimal import Decimal

import pytest

from ptingest.pipeline.logstash.values import Timestamp, is_number


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_323_045_123_000_000, "2026-01-02T03:04:05.123Z"),
        (1_767_323_045_123_400_000, "2026-01-02T03:04:05.123400Z"),
        (1_767_323_045_123_456_789, "2026-01-02T03:04:05.123456789Z"),
        (-1_000_000, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_has_milliseconds_or_as_many_digits_as_it_needs(ns: int, text: str) -> None:
    assert str(Timestamp(ns)) == text


@pytest.mark.parametrize(
    ("value", "truth"), [(1, True), (1.5, True), (Decimal("1"), True), (True, False), ("1", False)]
)
def test_a_bool_is_no_number(value: object, truth: bool) -> None:
    assert is_number(value) is truth
