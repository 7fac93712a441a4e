from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ptingest.tools.plan.values import Scalar, detected_format, is_judged, shown, why_unfit

FITS: list[tuple[str, dict[str, Any], Scalar]] = [
    ("byte", {}, 127),
    ("byte", {}, Decimal("127.9")),
    ("long", {}, "9223372036854775807"),
    ("long", {}, ""),
    ("double", {}, " 1.5 "),
    ("float", {}, Decimal("3.4e38")),
    ("short", {}, " NaN"),
    ("boolean", {}, "false"),
    ("boolean", {}, ""),
    ("date", {}, "2024-02-29"),
    ("date", {}, "2025-01-02T03:04:05.123456789+01:00"),
    ("date", {}, 1_735_787_045_000),
    ("date", {"format": "epoch_second"}, "1735787045"),
    ("date", {}, (1 << 63) - 1),
    ("date", {}, "-0001-02-28T23:59:59Z"),
    ("date_nanos", {}, "2262-04-11T23:47:16.8Z"),
    ("date_nanos", {}, "1970-01-01"),
    ("ip", {}, "::1"),
    ("keyword", {}, True),
    ("keyword", {"ignore_above": 10}, "x" * 40_000),
    ("keyword", {"index": False, "doc_values": False}, "x" * 40_000),
    ("text", {}, "x" * 40_000),
    ("constant_keyword", {"value": "a"}, "a"),
]
UNFIT: list[tuple[str, dict[str, Any], Scalar, str]] = [
    ("byte", {}, 128, "from -128 to 127"),
    ("integer", {}, Decimal("1e10"), "from -2147483648"),
    ("long", {}, " 5", "no number"),
    ("long", {}, True, "no number"),
    ("long", {"coerce": "false"}, "5", "is text"),
    ("long", {"coerce": False}, Decimal("5.5"), "no whole number"),
    ("float", {}, Decimal("3.5e38"), "infinite"),
    ("double", {}, "NaN", "no number"),
    ("half_float", {}, 65_520, "infinite"),
    ("boolean", {}, 1, "neither true nor false"),
    ("boolean", {}, "True", "neither true nor false"),
    ("date", {}, "2025-02-29", "no date"),
    ("date", {}, "2025-01-02 03:04:05", "no date"),
    ("date", {}, True, "no date"),
    ("date", {}, 1 << 63, "no date in the format and span"),
    ("date", {}, "+999999999", "span"),
    ("date", {"format": "epoch_second"}, (1 << 63) - 1, "span"),
    ("date_nanos", {}, -1, "span"),
    ("date_nanos", {}, "2262-04-12", "span"),
    ("date_nanos", {}, "2025-01-02T03", "format"),
    ("integer", {}, "Infinity", "infinite"),
    ("ip", {}, "192.0.2.0/24", "no IP address"),
    ("keyword", {}, "é" * 16_384, "32,768 bytes, more than 32,766"),
    ("constant_keyword", {"value": "a"}, "b", "'a', the only value"),
]


@pytest.mark.parametrize(("kind", "options", "value"), FITS)
def test_a_value_fits(kind: str, options: dict[str, Any], value: Scalar) -> None:
    assert why_unfit(value, kind, options, coerces=True) is None


@pytest.mark.parametrize(("kind", "options", "value", "words"), UNFIT)
def test_a_value_that_does_not_fit_is_shown_with_the_type(
    kind: str, options: dict[str, Any], value: Scalar, words: str
) -> None:
    found = why_unfit(value, kind, options, coerces=True)

    assert found is not None
    assert words in found
    assert found.endswith(f"and the field is {kind}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2025-01-02T03:04:05Z", "strict_date_optional_time||epoch_millis"),
        ("2025-01", "strict_date_optional_time||epoch_millis"),
        ("2025/01/02", "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"),
        ("2025/02/30", None),
        ("2025", None),
        ("10:20:30", None),
        ("text", None),
    ],
)
def test_text_of_a_new_field_is_a_date_only_in_two_forms(text: str, found: str | None) -> None:
    assert detected_format(text) == found


def test_types_and_formats_that_were_not_asked_of_a_node_are_not_judged() -> None:
    assert not is_judged("scaled_float", {})
    assert not is_judged("date", {"format": "dd.MM.yyyy"})
    assert is_judged("date", {"format": "strict_date_optional_time||epoch_second"})


def test_long_values_are_shown_by_their_beginning() -> None:
    assert shown("x" * 1_000).endswith("more)")
    assert shown({"a": 1}) == "an object"
