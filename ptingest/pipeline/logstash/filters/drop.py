"""The filter ``drop``: the event goes nowhere, and is acknowledged."""

from __future__ import annotations

import random

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option

OPTIONS = (Option("percentage", "number", 100),)


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; ``percentage`` of the events, by chance, are dropped."""
    percentage = setup.options["percentage"]

    def drop(event: Event) -> None:
        if percentage >= 100 or random.random() * 100 < percentage:
            event.cancel()

    return drop
