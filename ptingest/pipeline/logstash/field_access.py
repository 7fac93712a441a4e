"""Reading and setting one field, bound to its reference once.

Parents are objects in nearly all events, so that a field is a few looks into dicts; whatever else
an event holds goes the way of ``Event.get`` and ``Event.set``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from msgspec import Raw

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_reference import Reference, parse_reference
from ptingest.pipeline.logstash.members import decoded
from ptingest.pipeline.logstash.source import Source
from ptingest.pipeline.logstash.values import FieldError, Timestamp, Value

Reader = Callable[[Event], Value]
"""Gives the field's value, or ``MISSING``."""
Writer = Callable[[Event, Value], None]
"""Sets the field; raises FieldError where ``Event.set`` does."""


def reader(text: str) -> Reader:
    """Return what reads a field; a bad reference raises FieldError when it is used."""
    try:
        reference = parse_reference(text)
    except FieldError:
        return lambda event: event.get(parse_reference(text))
    path = reference.path
    if reference.is_metadata or len(path) > 3:
        return lambda event: event.get(reference)
    if len(path) == 1:
        return _read_root(path[0])
    return _read_nested(reference)


def _read_root(key: str) -> Reader:
    def read(event: Event) -> Value:
        root = event.root
        found = root.get(key, MISSING)
        return decoded(root, key, found) if type(found) is Raw else found

    return read


def is_text(text: str, value: str) -> Callable[[Event], bool]:
    """Return what tells whether a field is that text."""
    read, key = reader(text), root_key(text)
    if key is None:
        return lambda event: bool(read(event) == value)

    def is_value(event: Event) -> bool:
        root = event.root
        found = root.get(key)
        if type(found) is Raw:
            found = decoded(root, key, found)
        return found == value

    return is_value


def root_key(text: str) -> str | None:
    """Return the key of a field of the root that may be any value; None for other fields."""
    try:
        reference = parse_reference(text)
    except FieldError:
        return None
    path = reference.path
    is_free = len(path) == 1 and not reference.is_metadata and path[0] not in ("@timestamp", "tags")
    return path[0] if is_free else None


def _read_nested(reference: Reference) -> Reader:
    path = reference.path
    first, second, third = path[0], path[1], path[-1]

    def read_second(event: Event) -> Value:
        parent = event.root.get(first)
        return parent.get(second, MISSING) if type(parent) is dict else event.get(reference)

    def read_third(event: Event) -> Value:
        parent = event.root.get(first)
        if type(parent) is dict:
            parent = parent.get(second)
            if type(parent) is dict:
                return parent.get(third, MISSING)
        return event.get(reference)

    return read_second if len(path) == 2 else read_third


def remover(text: str) -> Reader:
    """Return what takes a field out and gives its value, or ``MISSING``.

    A bad reference raises FieldError when it is used.
    """
    try:
        reference = parse_reference(text)
    except FieldError:
        return lambda event: event.remove(parse_reference(text))
    path = reference.path
    if reference.is_metadata or len(path) > 2:
        return lambda event: event.remove(reference)
    first, last = path[0], path[-1]

    def remove_root(event: Event) -> Value:
        found = event.root.get(first, MISSING)
        return event.remove(reference) if type(found) is Raw else event.root.pop(first, MISSING)

    def remove_child(event: Event) -> Value:
        parent = event.root.get(first)
        return parent.pop(last, MISSING) if type(parent) is dict else event.remove(reference)

    return remove_root if len(path) == 1 else remove_child


def writer(text: str) -> Writer:
    """Return what sets a field; a bad reference raises FieldError when it is used."""
    try:
        reference = parse_reference(text)
    except FieldError:
        return lambda event, value: event.set(parse_reference(text), value)
    path = reference.path
    if reference.is_metadata or path == ("tags",):
        return lambda event, value: event.set(reference, value)
    if path == ("@timestamp",):
        return _write_time(reference)
    if len(path) == 1:
        return _write_root(path[0])
    return _write_below(reference)


def constant_writer(text: str, value: str) -> Callable[[Event], None]:
    """Return what sets a field to a text that is the same for all events."""
    write, key = writer(text), root_key(text)
    if key is None:
        return lambda event: write(event, value)

    def write_root(event: Event) -> None:
        event.root[key] = value

    return write_root


def _write_time(reference: Reference) -> Writer:
    def write(event: Event, value: Value) -> None:
        if type(value) is Timestamp:
            event.root["@timestamp"] = value
        else:
            event.set(reference, value)

    return write


def _write_root(key: str) -> Writer:
    def write(event: Event, value: Value) -> None:
        event.root[key] = value

    return write


@cache
def _write_below(reference: Reference) -> Writer:
    def otherwise(event: Event, value: Value) -> None:
        event.set(reference, value)

    source = Source("event, value")
    call = f"{source.name(otherwise)}(event, value)"
    source.set_below(reference.path, "value", call, adds=False)
    return source.function()
