"""The event that a script of the filter ``python`` gets.

A script sees plain values: texts, numbers, lists, dicts, and a ``datetime`` in UTC for a time.
What ``get`` returns is a copy, so that only ``set`` changes the event, and only to values that
a document can hold.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ptingest.pipeline.decode import MAX_NUMBER_DIGITS
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.values import Timestamp, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST = 10**MAX_NUMBER_DIGITS


class ScriptEvent:
    """One event in a script. Names are field references: ``a``, ``[a][b]``, ``[@metadata][x]``."""

    __slots__ = ("_event",)

    def __init__(self, event: Event) -> None:
        self._event = event

    def get(self, name: str, default: Any = None) -> Any:
        """Return a copy of the field's value, or ``default`` where there is none."""
        value = self._event.get(parse_reference(name))
        return default if value is MISSING else _out(value)

    def set(self, name: str, value: Any) -> None:
        """Set the field, and make the objects above it.

        Raises:
            TypeError: no document can hold such a value.
            ValueError: the same, of a number that is not finite or a time without a zone.
            FieldError: a value above the field is no object, or a name is malformed.
        """
        self._event.set(parse_reference(name), _in(value))

    def remove(self, name: str) -> Any:
        """Remove the field and return its value; None where there is none."""
        value = self._event.remove(parse_reference(name))
        return None if value is MISSING else _out(value)

    @property
    def tags(self) -> list[str]:
        """The event's tags, as a copy."""
        tags = self._event.read("tags")
        return [] if tags is None else [tags] if isinstance(tags, str) else list(tags)

    def tag(self, tag: str) -> None:
        """Add a tag unless it is there."""
        if tag not in self.tags:
            self.set("tags", [*self.tags, tag])

    def clone(self) -> ScriptEvent:
        """Return a copy, to be returned beside the event."""
        return ScriptEvent(self._event.clone())

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of all fields; those of ``@metadata`` under that name."""
        found: dict[str, Any] = _out(self._event.fields)
        return {**found, "@metadata": _out(self._event.metadata)}


def event_of(script_event: ScriptEvent) -> Event:
    """Return the event within."""
    return script_event._event


def _out(value: Value) -> Any:
    if isinstance(value, dict):
        return dict(zip(value, map(_out, value.values()), strict=True))
    if isinstance(value, list):
        return list(map(_out, value))
    if isinstance(value, Timestamp):
        return _EPOCH + value.ns // 1000 * _MICROSECOND
    return value


def _number(value: float | Decimal) -> Value:
    if isinstance(value, int):
        if abs(value) >= _LARGEST:
            raise ValueError(f"a document can hold no number of over {MAX_NUMBER_DIGITS} digits")
    elif not math.isfinite(value):
        raise ValueError(f"{value} is no number that a document can hold")
    return value


def _in(value: Any) -> Value:
    if value is None or isinstance(value, (str, Timestamp)):
        return value
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of an object must be texts")
        return dict(zip(value, map(_in, value.values()), strict=True))
    if isinstance(value, (list, tuple)):
        return list(map(_in, value))
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"the time {value} has no zone; write datetime(..., tzinfo=UTC)")
        return Timestamp((value - _EPOCH) // _MICROSECOND * 1000)
    raise TypeError(f"a field cannot hold a {type(value).__name__}")
