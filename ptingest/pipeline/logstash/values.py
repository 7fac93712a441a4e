"""Values of an event, and their texts as Java and Ruby print them.

An event holds None, bool, int, float, ``Decimal`` (a decimal number that the json filter read),
str, ``Timestamp``, and lists and dicts of these.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ptingest.pipeline.timestamps import Instant, instant_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANOS = 1_000_000_000

Value = Any
"""None | bool | int | float | Decimal | str | Timestamp | list | dict, nested."""


class Timestamp:
    """A moment, in nanoseconds since 1970 UTC; immutable by convention, compared by value."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and other.ns == self.ns

    def __hash__(self) -> int:
        return hash(self.ns)

    def __repr__(self) -> str:
        return f"Timestamp({self})"

    def __str__(self) -> str:
        """ISO 8601 in UTC with milliseconds, more digits only if the moment has them."""
        return instant_text(Instant(*divmod(self.ns, NANOS)))

    def moment(self) -> datetime:
        """The same moment with microseconds, in UTC."""
        return _EPOCH + timedelta(microseconds=self.ns // 1000)


class FieldError(Exception):
    """An event cannot do what a filter asks: a bad reference, or a parent that is no object.

    Logstash raises here; each filter decides which tag the event gets.
    """


def is_number(value: Value) -> bool:
    """Whether the value is a number; a bool is none."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
