"""Small charts as coordinates; the template `chart.html` draws them as SVG.

A chart is 600 by 120 units and is stretched to its place on the page: lines keep their width,
and there is no text inside. Gaps stay gaps. Every chart comes with its numbers as a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

WIDTH, HEIGHT = 600.0, 120.0
ROWS = 12
"""Of the table."""
LEAST = 1e-9
"""The lowest upper edge: below it there are numbers without a power of ten beneath them."""


class Series(NamedTuple):
    """One line of a chart: its name, its points as (seconds since the epoch, value or None)."""

    name: str
    points: Sequence[tuple[float, float | None]]


class Drawn(NamedTuple):
    """A line, ready for SVG."""

    name: str
    path: str
    area: str
    """Closed down to the bottom; of the first line only."""
    latest: str


class Chart(NamedTuple):
    """All that the template needs."""

    id: str
    title: str
    note: str
    """What its numbers are, in one sentence."""
    top: str
    """The value of the upper edge."""
    lines: list[Drawn]
    rows: list[tuple[str, list[str]]]
    """Of the table: a time and one text for each line."""
    is_empty: bool
    marks: tuple[str, str, str]
    """Of the axis, from left to right."""


def draw(
    chart_id: str,
    title: str,
    note: str,
    lines: Sequence[Series],
    *,
    now: float,
    seconds: float,
    show: Callable[[float], str],
) -> Chart:
    """Lay lines out over the last ``seconds``; ``show`` writes a value with its unit."""
    values = [value for line in lines for _, value in line.points if value is not None]
    top = round_up(max(values, default=0.0))
    since = now - seconds
    drawn = []
    for number, line in enumerate(lines):
        spots = [
            (None if value is None else (_x(at, since, seconds), _y(value, top)))
            for at, value in line.points
        ]
        known = [value for _, value in line.points if value is not None]
        latest = show(known[-1]) if known else "–"
        area = _area(spots) if number == 0 else ""
        drawn.append(Drawn(line.name, _path(spots), area, latest))
    return Chart(
        id=chart_id,
        title=title,
        note=note,
        top=show(top),
        lines=drawn,
        rows=_rows(lines, since, seconds, show),
        is_empty=not values,
        marks=(f"{seconds / 60:.0f} min ago", f"{seconds / 120:g} min", "now"),
    )


def round_up(value: float) -> float:
    """Return the next round number: one that an axis can be marked with."""
    if value <= 0:
        return 1.0
    value = max(value, LEAST)
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        step * power
        for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
        if step * power >= value * 0.999999
    )


def _x(at: float, since: float, seconds: float) -> float:
    return round(max(0.0, min(1.0, (at - since) / seconds)) * WIDTH, 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - min(1.0, value / top) * (HEIGHT - 2) - 1, 1)


Spots = Sequence[tuple[float, float] | None]


def _runs(spots: Spots) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for spot in spots:
        if spot is None:
            runs.append([])
        else:
            runs[-1].append(spot)
    return [run for run in runs if run]


def _path(spots: Spots) -> str:
    parts = []
    for run in _runs(spots):
        (x, y), *others = run
        # A point without neighbours is drawn as a short dash, to be visible.
        steps = "".join(f"L{x:g} {y:g}" for x, y in others) or "h2"
        parts.append(f"M{x:g} {y:g}{steps}")
    return "".join(parts)


def _area(spots: Spots) -> str:
    return "".join(
        f"M{run[0][0]:g} {HEIGHT:g}"
        + "".join(f"L{x:g} {y:g}" for x, y in run)
        + f"L{run[-1][0]:g} {HEIGHT:g}Z"
        for run in _runs(spots)
    )


def _rows(
    lines: Sequence[Series], since: float, seconds: float, show: Callable[[float], str]
) -> list[tuple[str, list[str]]]:
    step = seconds / ROWS
    rows = []
    for number in range(ROWS):
        begins = since + number * step
        cells = [_mean(line.points, begins, begins + step) for line in lines]
        if any(cell is not None for cell in cells):
            at = f"{datetime.fromtimestamp(begins, UTC):%H:%M}"
            rows.append((at, ["–" if cell is None else show(cell) for cell in cells]))
    return rows


def _mean(points: Sequence[tuple[float, float | None]], begins: float, ends: float) -> float | None:
    inside = [value for at, value in points if begins < at <= ends and value is not None]
    return sum(inside) / len(inside) if inside else None
