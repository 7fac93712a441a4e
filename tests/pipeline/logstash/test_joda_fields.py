"""Fields of a pattern on a local time."""

import pytest

from ptingest.pipeline.logstash.joda_fields import FIELDS, bounded, resolve, year_of_era
from ptingest.pipeline.timestamps import day_number


def day(year: int, month: int, day_of_month: int) -> int:
    return day_number(year, month, day_of_month) * 86_400_000


@pytest.mark.parametrize(
    ("given", "local"),
    [
        ("", 0),
        ("y2026", day(2026, 1, 1)),
        ("d2 M1 y2026", day(2026, 1, 2)),
        ("y2026 M1 d2 e4", day(2026, 1, 1)),
        ("M2 d28", day(2026, 2, 28)),
        ("x2026 w1 e5", day(2026, 1, 2)),
        ("y2024 D366", day(2024, 12, 31)),
        ("a1 h12", 43_200_000),
        ("a1 H3", 3 * 3_600_000),
        ("k24 m1 s2 S3", 62_003),
        ("G0 Y1", day(0, 1, 1)),
        ("C20", day(2000, 1, 1)),
    ],
)
def test_fields_are_set_from_the_largest_to_the_smallest(given: str, local: int) -> None:
    fields = [(FIELDS[item[0]], int(item[1:])) for item in given.split()]

    assert resolve(fields, default_year=2026) == local


@pytest.mark.parametrize("given", ["M13", "y2026 M2 d29", "y2025 D366", "H24", "k0", "e8", "w54"])
def test_a_value_out_of_bounds_is_an_error(given: str) -> None:
    fields = [(FIELDS[item[0]], int(item[1:])) for item in given.split()]

    with pytest.raises(ValueError, match="between"):
        resolve(fields, default_year=2026)


def test_the_year_0_is_the_first_before_the_era() -> None:
    assert [year_of_era(year) for year in (1, 0, -1)] == [1, 1, 2]
    assert bounded(3, 1, 3) == 3
