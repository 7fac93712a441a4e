"""Numbers to coordinates."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.api.console.charts import HEIGHT, ROWS, Chart, Series, draw, round_up


def chart(*points: tuple[float, float | None]) -> Chart:
    return draw(
        "id", "Title", "Note.", [Series("one", points)], now=600.0, seconds=600.0, show=str
    )  # fmt: skip


def test_the_newest_value_is_at_the_right_and_the_largest_at_the_top() -> None:
    (line,) = chart((0.0, 0.0), (600.0, 10.0)).lines

    assert line.path == "M0 119L600 1"
    assert line.latest == "10.0"


def test_a_gap_stays_a_gap() -> None:
    (line,) = chart((0.0, 1.0), (100.0, 1.0), (200.0, None), (300.0, 1.0), (400.0, 1.0)).lines

    assert line.path.count("M") == 2


def test_a_lone_point_can_be_seen() -> None:
    (line,) = chart((300.0, 1.0)).lines

    assert line.path == "M300 1h2"


def test_what_is_older_than_the_chart_does_not_leave_it() -> None:
    (line,) = chart((-500.0, 1.0), (600.0, 1.0)).lines

    assert line.path.startswith("M0 ")


def test_without_values_it_says_that_it_is_empty() -> None:
    assert chart().is_empty
    assert chart((1.0, None)).is_empty
    assert not chart((1.0, 0.0)).is_empty


def test_the_table_has_the_means_of_equal_times() -> None:
    rows = chart((10.0, 1.0), (20.0, 3.0), (590.0, 5.0)).rows

    assert [cells for _, cells in rows] == [["2.0"], ["5.0"]]
    assert len(rows) <= ROWS


@pytest.mark.parametrize(
    ("value", "top"),
    [(0, 1), (5e-324, 1e-9), (0.035, 0.04), (1, 1), (1.1, 1.5), (2.3, 2.5), (9, 10), (101, 150)],
)
def test_the_top_is_a_round_number(value: float, top: float) -> None:
    assert round_up(value) == pytest.approx(top)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.none() | st.floats(0, 1e12)), max_size=12))
def test_whatever_the_numbers_everything_stays_inside(
    points: list[tuple[float, float | None]],
) -> None:
    (line,) = chart(*points).lines

    for x, y in re.findall(r"[ML]([\d.e+-]+) ([\d.e+-]+)", line.path + line.area):
        assert 0 <= float(x) <= 600
        assert 0 <= float(y) <= HEIGHT
