"""The filter ``uuid``: a random id for each event."""

from __future__ import annotations

from uuid import uuid4

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.sprintf import compile_reference

OPTIONS = (
    Option("target", is_required=True),
    Option("overwrite", "boolean", False),
)


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; a field that is there stays unless ``overwrite`` is true."""
    matched, overwrites = setup.matched, setup.options["overwrite"]
    target = compile_reference(setup.options["target"])

    def uuid(event: Event) -> None:
        reference = target(event)
        old = event.get(reference)
        if overwrites or old is MISSING or old is None or old is False:
            event.set(reference, str(uuid4()))
        matched(event)

    return uuid
