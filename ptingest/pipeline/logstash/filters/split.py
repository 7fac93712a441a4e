"""The filter ``split``: an event for each part of a text, or for each element of a list."""

from __future__ import annotations

import re

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.sprintf import known_reference
from ptingest.pipeline.logstash.values import Value

OPTIONS = (
    Option("field", default="message"),
    Option("terminator", default="\n"),
    Option("target"),
)
_SPACE = re.compile(r"[ \t\n\v\f\r\0]+")


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; the event itself goes nowhere unless it has one part alone."""
    options, matched = setup.options, setup.matched
    field = known_reference(options["field"])
    target = known_reference(options["target"] or options["field"])
    takes_field = options["target"] is None
    terminator = options["terminator"]

    def split(event: Event) -> list[Event] | None:
        source = field(event)
        value = event.get(source)
        if isinstance(value, str):
            parts = _cut(value, terminator)
            if len(parts) == 1:
                return None
        elif isinstance(value, list):
            parts = value
            if takes_field:
                event.remove(source)
        else:
            event.tag("_split_type_failure")
            return None
        event.cancel()
        made = []
        for part in parts:
            if part is None or part == "":
                continue
            one = event.clone()
            one.set(target(one), part)
            matched(one)
            made.append(one)
        return made

    return split


def _cut(text: str, terminator: str) -> list[Value]:
    """Cut as Ruby's ``split`` does with a limit of -1."""
    if not text:
        return []
    if not terminator:
        return [*text, ""]
    if terminator == " ":
        return list(_SPACE.split(text.lstrip(" \t\n\v\f\r\0")))
    return list(text.split(terminator))
