"""How compiled filters, branches and outputs are put together, and what they count.

A step is a filter, a branch, or a sequence of them. It returns the events that go on beside the
one that it was given (split, clone); None where that one goes on alone. A step that drops the event
returns the others, if there are none an empty tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ptingest.pipeline.logstash.choice import Choice
from ptingest.pipeline.logstash.conditions import ConditionError
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import FilterFunction
from ptingest.pipeline.logstash.outputs import Route, Target
from ptingest.pipeline.logstash.tree import Plugin
from ptingest.pipeline.logstash.values import FieldError

Step = Callable[[Event], Sequence[Event] | None]
Routing = Callable[[Event], Sequence[Target]]


class PluginCounts:
    """What one plugin of a config has done; changed in place, cheap enough for each event."""

    __slots__ = (
        "added", "dropped", "events_in", "failures", "id", "kind", "last_error", "name", "place",
    )  # fmt: skip

    def __init__(self, kind: str, plugin: Plugin, plugin_id: str) -> None:
        self.kind, self.name, self.place, self.id = kind, plugin.name, plugin.place, plugin_id
        self.events_in = self.added = self.dropped = self.failures = 0
        self.last_error = ""
        """What the filter raised last; it tagged that event with ``_filter_error``. Or what it
        reported: a file of its own that it cannot read."""

    @property
    def events_out(self) -> int:
        return self.events_in + self.added - self.dropped

    def report(self, sentence: str) -> None:
        """Keep what is wrong with the plugin's own files."""
        self.last_error = sentence


@dataclass(slots=True)
class ConditionCounts:
    """Events that were dropped because a condition could not be decided."""

    errors: int = 0
    last: str = ""
    """Why, the last time."""

    def count(self, error: Exception) -> None:
        self.errors += 1
        self.last = str(error)


def filter_step(function: FilterFunction, counts: PluginCounts) -> Step:
    """Return the step that runs a filter and counts; nothing that a filter raises goes further."""

    def step(event: Event) -> Sequence[Event] | None:
        counts.events_in += 1
        failures = event.failures
        try:
            others = function(event)
        except Exception as error:  # noqa: BLE001 - the last net: an event must not end the line
            count_error(counts, event, error)
            others = None
        if event.failures != failures:
            counts.failures += 1
        if event.is_cancelled:
            counts.dropped += 1
            others = others or ()
        if others is not None:
            counts.added += len(others)
        return others

    return step


def count_error(counts: PluginCounts, event: Event, error: Exception) -> None:
    """Tell of what a filter raised."""
    counts.last_error = f"{type(error).__name__}: {error}"
    event.tag("_filter_error")


def sequence(steps: Sequence[Step]) -> Step:
    """Return the step that runs steps one after the other, also for the events that they add."""
    if not steps:
        return lambda _event: None
    if len(steps) == 1:
        return steps[0]

    def run(event: Event) -> Sequence[Event] | None:
        for number, step in enumerate(steps, 1):
            others = step(event)
            if others is not None:
                return _run_each(event, others, steps[number:])
        return None

    return run


def _run_each(
    event: Event, others: Sequence[Event], steps: Sequence[Step]
) -> Sequence[Event] | None:
    """Run further steps for several events, unless they were dropped."""
    run = sequence(steps)
    finished: list[Event] = []
    for other in others:
        if not other.is_cancelled:
            finished += (other, *(run(other) or ()))
    if not event.is_cancelled:
        finished += run(event) or ()
    return finished


def branch(
    choose: Choice, blocks: Sequence[Step], otherwise: Step | None, conditions: ConditionCounts
) -> Step:
    """Return the step that runs the block of the arm that is chosen."""
    ways = [otherwise or sequence([]), *blocks]

    def step(event: Event) -> Sequence[Event] | None:
        try:
            number = choose(event)
        except (ConditionError, FieldError) as error:
            conditions.count(error)
            event.cancel()
            return ()
        return ways[number](event)

    return step


def output_route(route: Route, counts: PluginCounts) -> Routing:
    """Return the routing of one output."""

    def routing(event: Event) -> Sequence[Target]:
        counts.events_in += 1
        return (route(event),)

    return routing


def all_routes(routings: Sequence[Routing]) -> Routing:
    """Return the routing to all of several."""
    if not routings:
        return lambda _event: ()
    if len(routings) == 1:
        return routings[0]
    return lambda event: [target for routing in routings for target in routing(event)]


def branch_routes(
    choose: Choice,
    blocks: Sequence[Routing],
    otherwise: Routing | None,
    conditions: ConditionCounts,
) -> Routing:
    """Return the routing of the arm that is chosen."""
    ways = [otherwise or all_routes([]), *blocks]

    def routing(event: Event) -> Sequence[Target]:
        try:
            number = choose(event)
        except (ConditionError, FieldError) as error:
            conditions.count(error)
            return ()
        return ways[number](event)

    return routing
