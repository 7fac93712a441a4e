"""What an event goes through, for people: conditions and filters, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ptingest.pipeline.logstash.conditions import ConditionError, Test, condition_text
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.tree import Condition, Place, Plugin
from ptingest.pipeline.logstash.values import FieldError
from ptingest.pipeline.logstash.wiring import Step


class Passage(NamedTuple):
    """One condition or filter that an event went through."""

    place: Place
    text: str
    """``grok``, or ``if [type] == "nginx"``."""
    outcome: str
    """A condition is true, false, or an error; a filter is done, dropped the event, tagged it,
    or made further ones."""


class Tracer:
    """Wraps tests and steps, so that they note what they do in ``passages``."""

    def __init__(self, passages: list[Passage]) -> None:
        self._passages = passages

    def test(self, test: Test, condition: Condition) -> Test:
        """Return the test of a condition that notes its outcome."""
        text = f"if {condition_text(condition)}"

        def traced(event: Event) -> bool:
            try:
                holds = test(event)
            except (ConditionError, FieldError) as error:
                self._note(condition.place, text, f"error, event dropped: {error}")
                raise
            self._note(condition.place, text, "true" if holds else "false")
            return holds

        return traced

    def step(self, step: Step, plugin: Plugin) -> Step:
        """Return the step of a filter that notes what became of the event."""

        def traced(event: Event) -> Sequence[Event] | None:
            before = _tags(event)
            others = step(event)
            parts = ["dropped"] if event.is_cancelled and not others else []
            if others:
                parts.append(f"made {len(others)} more")
            if added := [str(tag) for tag in _tags(event) if tag not in before]:
                parts.append(f"tagged {', '.join(added)}")
            self._note(plugin.place, plugin.name, "; ".join(parts) or "done")
            return others

        return traced

    def _note(self, place: Place, text: str, outcome: str) -> None:
        self._passages.append(Passage(place, text, outcome))


def _tags(event: Event) -> list[Any]:
    tags = event.read("tags")
    return list(tags) if isinstance(tags, list) else []
