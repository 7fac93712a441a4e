from __future__ import annotations

from datetime import UTC, datetime

from ptingest.model.rfc3339 import rfc3339, rfc3339_of_ns

NOON = datetime(2025, 1, 2, 12, 0, 0, 7_999, tzinfo=UTC)


def test_a_time_is_written_in_utc_with_milliseconds_cut_off() -> None:
    assert rfc3339(NOON) == "2025-01-02T12:00:00.007Z"
    assert rfc3339(NOON, "seconds") == "2025-01-02T12:00:00Z"


def test_nanoseconds_since_the_epoch_are_the_same_text() -> None:
    assert rfc3339_of_ns(1_735_819_200_000_000_000) == "2025-01-02T12:00:00.000Z"
