"""A histogram by level as rectangles; the template draws them, and every step is a link.

The drawing is 1000 by 100 units and is stretched to its place on the page; all its numbers are
also in a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ptingest.model.explore import Bar

WIDTH, HEIGHT = 1000.0, 100.0
LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
"""From the bottom up: the worst levels are never hidden behind frequent ones."""
OTHERS = "other"


class Box(NamedTuple):
    """One level in one step."""

    level: str
    y: float
    height: float


class TimelineStep(NamedTuple):
    """One step of time."""

    x: float
    width: float
    boxes: list[Box]
    words: str
    """The step as a sentence."""
    address: str
    start: str
    end: str
    documents: int


class Timeline(NamedTuple):
    """All that the template needs."""

    steps: list[TimelineStep]
    levels: list[tuple[str, int]]
    """Every level that occurs, with its documents."""
    top: int
    """Documents of the highest step."""
    first: str
    last: str


def timeline(bars: Sequence[Bar], address: Callable[[Bar], str]) -> Timeline | None:
    """Lay bars out; ``address`` is where a click on one leads. None where there are none."""
    if not bars:
        return None
    top = max(sum(bar.levels.values()) for bar in bars) or 1
    width = WIDTH / len(bars)
    steps = [
        _step(bar, number * width, width, top, address(bar)) for number, bar in enumerate(bars)
    ]
    totals = dict.fromkeys((*LEVELS, OTHERS), 0)
    for bar in bars:
        for level, documents in bar.levels.items():
            totals[level_of(level)] += documents
    levels = [(level, documents) for level, documents in totals.items() if documents]
    return Timeline(steps, levels, top, bars[0].start, bars[-1].end)


def level_of(level: str | None) -> str:
    """Return the level by which a document is coloured."""
    return level if level in LEVELS else OTHERS


def _step(bar: Bar, x: float, width: float, top: int, address: str) -> TimelineStep:
    by_level = dict.fromkeys((*LEVELS, OTHERS), 0)
    for level, documents in bar.levels.items():
        by_level[level_of(level)] += documents
    boxes, bottom = [], HEIGHT
    for level, documents in by_level.items():
        if documents:
            # Two units at least, so that one error among a million is visible.
            height = max(2.0, documents / top * (HEIGHT - 12))
            bottom -= height
            boxes.append(Box(level, round(bottom, 2), round(height, 2)))
    levels = ", ".join(
        f"{level} {documents:,}" for level, documents in by_level.items() if documents
    )
    total = sum(bar.levels.values())
    words = f"{bar.start[:19].replace('T', ' ')}: {total:,} document{'' if total == 1 else 's'}"
    return TimelineStep(
        round(x, 2), round(width, 2), boxes, f"{words} ({levels})" if levels else words, address,
        bar.start, bar.end, total,
    )  # fmt: skip


def step_words(seconds: int) -> str:
    """Return a step of the histogram, which is whole in one unit."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"
