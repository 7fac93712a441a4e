"""Filters that are rows of operations on an event, as ``mutate`` is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.field_access import constant_writer, writer
from ptingest.pipeline.logstash.sprintf import compile_template
from ptingest.pipeline.logstash.values import FieldError

Operation = Callable[[Event], object]
"""Changes an event; raises FieldError where it cannot."""


class WriteText(NamedTuple):
    """The operation that sets a field to a text with ``%{...}``."""

    field: str
    text: str

    def closure(self) -> Operation:
        """Return the operation."""
        if "%{" not in self.text:
            return constant_writer(self.field, self.text)
        write, template = writer(self.field), compile_template(self.text)
        return lambda event: write(event, template(event))


class Operations:
    """A filter. An operation that fails ends it: what was done stays, and a tag is added."""

    def __init__(self, operations: Sequence[Operation | WriteText], tag: str) -> None:
        self.operations, self.tag = tuple(operations), tag
        self._closures = [
            one.closure() if isinstance(one, WriteText) else one for one in operations
        ]

    def __call__(self, event: Event) -> None:
        try:
            for operation in self._closures:
                operation(event)
        except FieldError:
            event.tag(self.tag)
