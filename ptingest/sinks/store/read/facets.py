"""Counts of the documents that match: all, by level over time, and by the values of labels.

Numbers that the rollup has are taken from there; other documents are counted one by one, newest
first, until time is up. Those are the ids that no segment covers yet, segments whose times are
too coarse for the histogram, and, at both ends of the range, times that begin as the bound
does. The rollup is not used for a query on other fields than labels.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from ptingest.kql.deadline import TimeIsUp, deadline
from ptingest.model.explore import Counts, Facet
from ptingest.sinks.read.histogram import bars, prefix_of, steps_for
from ptingest.sinks.store.read.pagination import by_time, slices
from ptingest.sinks.store.read.planner import candidates, first_rows, most_rows, tally_rows
from ptingest.sinks.store.read.snapshot import StoreQuery, in_bounds
from ptingest.sinks.store.read.sql import Condition
from ptingest.sinks.store.rollup import SEGMENT, SEGMENT_BITS, gaps, segments

LABELS = ("service", "log_level", "stream", "app_module", "logger_name")
"""Fields whose values the rollup holds."""
FACET_VALUES = 10
GAPS_MOST = 4 * SEGMENT
"""Up to so many documents outside the rollup are read by id; more of them in the order of time."""
_LABELS = ", ".join(LABELS)


class LabelGroup(NamedTuple):
    """Documents with the same beginning of their time and the same labels, in the order of
    ``LABELS``."""

    time: str | None
    labels: tuple[str | None, ...]
    documents: int


class _Sums:
    """Adds groups up."""

    def __init__(self) -> None:
        self.documents = 0
        self.timeless = 0
        self.times: Counter[tuple[str, str | None]] = Counter()
        self.values: tuple[Counter[str | None], ...] = tuple(Counter() for _ in LABELS)

    def add(self, group: LabelGroup) -> None:
        self.add_time(group)
        self.add_labels(group)

    def add_time(self, group: LabelGroup) -> None:
        self.documents += group.documents
        if group.time is None:
            self.timeless += group.documents
        else:
            self.times[group.time, group.labels[LABELS.index("log_level")]] += group.documents

    def add_labels(self, group: LabelGroup) -> None:
        for counter, value in zip(self.values, group.labels, strict=True):
            if value is not None and value[:1] in ("[", "{"):
                for element in _elements(value):
                    counter[element] += group.documents
            else:
                counter[value] += group.documents


def _elements(value: str) -> Iterable[str | None]:
    """Return the elements of a list's JSON text; any other text is returned as it is."""
    try:
        decoded = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return [value]
    if not isinstance(decoded, list):
        return [value]
    texts = {one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in decoded}
    return sorted(texts) or [None]


def counts(
    connection: sqlite3.Connection,
    where: Condition,
    question: StoreQuery,
    *,
    now: str,
    is_time_up: Callable[[], bool],
) -> Counts:
    """Count the documents that match ``where``, the query in the snapshot that is held."""
    first, last = _ends(connection, question, now)
    widths = segments(connection) if where.has_labels_only else {}
    step = _step(widths, first, last)
    counting = _Counting(connection, where, question, prefix_of(step))
    stop = _until_time_is_up(counting, widths, is_time_up, last)
    sums = counting.sums
    return Counts(
        sums.documents,
        stop is None,
        stop,
        step,
        list(bars(sums.times, step, first, last)) if sums.times else [],
        sums.timeless,
        [facet_of(*one) for one in zip(LABELS, sums.values, strict=True)],
    )


def _until_time_is_up(
    counting: _Counting, widths: dict[int, int], is_time_up: Callable[[], bool], newest: str
) -> str | None:
    """Count, and return the time down to which all documents were counted, None when all were."""
    try:
        with deadline(counting.connection, is_time_up):
            return counting.count(widths, is_time_up)
    except TimeIsUp:
        return counting.counted_to or newest


def _ends(connection: sqlite3.Connection, question: StoreQuery, now: str) -> tuple[str, str]:
    """Return the first and last time of the histogram."""
    oldest, newest = connection.execute(
        "SELECT (SELECT min(timestamp) FROM documents), (SELECT max(timestamp) FROM documents)"
    ).fetchone()
    first = question.since or oldest or now
    last = question.until or max(newest or now, first)
    return first, max(first, last)


def _step(widths: dict[int, int], first: str, last: str) -> int:
    """Return the finest step that most of the rollup can give, else the finest."""
    steps = steps_for(first, last)
    for step in steps:
        fine = sum(width >= prefix_of(step) for width in widths.values())
        if widths and fine >= len(widths) * 0.9:
            return step
    return steps[0]


def facet_of(field: str, counter: Counter[str | None], among: int | None = None) -> Facet:
    """Return the most frequent values of a field."""
    ordered = sorted(counter.items(), key=lambda one: (-one[1], one[0] or ""))
    return Facet(field, ordered[:FACET_VALUES], max(0, len(ordered) - FACET_VALUES), among)


class _Counting:
    """One count, by every way that is needed."""

    def __init__(
        self, connection: sqlite3.Connection, where: Condition, question: StoreQuery, prefix: int
    ) -> None:
        self.connection, self._query, self._question = connection, where, question
        self.counted_to: str | None = None
        """The end of the slice that was counted last."""
        self._where = in_bounds(where, question)
        self._prefix = prefix
        self.sums = _Sums()

    def count(self, widths: dict[int, int], is_time_up: Callable[[], bool]) -> str | None:
        """Count everything; return the time down to which documents were counted, None for all."""
        tallied = {segment: width for segment, width in widths.items() if width >= self._prefix}
        if tallied:
            self._add_tally()
            self._add_edges(set(tallied.values()))
        elif (few := candidates(self.connection, self._query)) is not None:
            self._add_groups(few, "TRUE", [])
            return None
        first, last = self.connection.execute(
            "SELECT (SELECT min(id) FROM documents), (SELECT max(id) FROM documents)"
        ).fetchone()
        if first is None:
            return None
        missing = gaps(tallied, first, last)
        if tallied and sum(end - start + 1 for start, end in missing) <= GAPS_MOST:
            for ids in missing:
                self._add_groups("documents NOT INDEXED", "id BETWEEN ? AND ?", list(ids))
            return None
        outside = f"((id - 1) >> {SEGMENT_BITS}) NOT IN ({_FINE_ENOUGH})" if tallied else "TRUE"
        return self._add_slices(outside, [self._prefix] if tallied else [], is_time_up)

    def _add_slices(
        self, outside: str, values: list[str | int], is_time_up: Callable[[], bool]
    ) -> str | None:
        question = self._question
        for part in slices(
            self.connection,
            since=question.since,
            until=question.until,
            first_rows=first_rows(self._query),
            most_rows=most_rows(self._query),
        ):
            self._add_groups(
                by_time(self.connection), f"{part.sql} AND {outside}", [*part.values, *values]
            )
            self.counted_to = part.end.timestamp if part.end is not None else self.counted_to
            if part.end is not None and is_time_up():
                return part.end.timestamp
        return None

    def _add_groups(self, source: str, also: str, values: list[str | int]) -> None:
        rows = self.connection.execute(
            f"SELECT substr(timestamp, 1, {self._prefix}), {_LABELS}, count(*) FROM {source} "
            f"WHERE {also} AND {self._where.sql} GROUP BY 1, 2, 3, 4, 5, 6",
            [*values, *self._where.values],
        )
        for row in rows:
            self.sums.add(LabelGroup(row[0], row[1:-1], row[-1]))

    def _add_tally(self) -> None:
        """Add the documents entirely between the two bounds, from segments that are fine
        enough."""
        for time, level, documents in self._tallied(f"substr(time, 1, {self._prefix}), log_level"):
            labels = tuple(level if field == "log_level" else None for field in LABELS)
            self.sums.add_time(LabelGroup(time, labels, documents))
        for row in self._tallied(_LABELS):
            self.sums.add_labels(LabelGroup(None, row[:-1], row[-1]))

    def _tallied(self, what: str) -> Iterator[tuple[Any, ...]]:
        bounds, values = ["width >= ?"], list[str | int | float]([self._prefix])
        for operator, bound in ((">", self._question.since), ("<", self._question.until)):
            if bound is not None:
                bounds.append(f"time {operator} substr(?, 1, width)")
                values.append(bound)
        return self.connection.execute(
            f"SELECT {what}, sum(documents) FROM {tally_rows(' AND '.join(bounds))} "
            f"WHERE {self._query.sql} GROUP BY {what}",
            [*values, *self._query.values],
        )

    def _add_edges(self, widths: set[int]) -> None:
        """Add the times that begin as a bound does; the rollup cannot separate their two sides."""
        since, until = self._question.since, self._question.until
        for width in widths:
            ends = [
                (max(since or "", bound[:width]), min(until or "~", bound[:width] + "~"))
                for bound in {one[:width] for one in (since, until) if one is not None}
            ]
            for start, end in ends:
                self._add_groups(
                    by_time(self.connection),
                    f"timestamp BETWEEN ? AND ? AND ((id - 1) >> {SEGMENT_BITS}) IN ({_OF_WIDTH})",
                    [start, end, width],
                )


_FINE_ENOUGH = "SELECT segment FROM documents_segments WHERE width >= ?"
_OF_WIDTH = "SELECT segment FROM documents_segments WHERE width = ?"
