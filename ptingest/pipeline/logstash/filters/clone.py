"""The filter ``clone``: copies of an event that go on beside it."""

from __future__ import annotations

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option

OPTIONS = (Option("clones", "array", is_required=True),)


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; each copy has the name of its clone as a tag, or as its type."""
    matched, has_ecs = setup.matched, setup.has_ecs
    names = [str(name) for name in setup.options["clones"]]

    def clone(event: Event) -> list[Event]:
        made = []
        for name in names:
            copy = event.clone()
            if has_ecs:
                copy.tag(name)
            else:
                copy.root["type"] = name
            matched(copy)
            made.append(copy)
        return made

    return clone
