"""An event as Logstash's filters see it: nested fields, metadata, a time, tags.

What a Beat sent stays JSON until something reads it: most of an event is only passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from ptingest.pipeline.logstash.field_reference import Reference, parse_reference
from ptingest.pipeline.logstash.members import value_of
from ptingest.pipeline.logstash.values import (
    FieldError,
    Timestamp,
    Value,
    copied,
    parse_timestamp,
)

MISSING: Any = object()
"""What ``get`` returns for a field that is not there, apart from null."""
_TAGS = ("tags",)
_TIME = ("@timestamp",)
_METADATA = parse_reference("[@metadata]")
_NULLS_MOST = 1000
"""A list grows by so many elements at most when one behind its end is set."""


class Event(msgspec.Struct, eq=False):
    """The fields of one event; filters change it in place."""

    root: dict[str, Value | Raw]
    """Root fields; ``@timestamp`` is a ``Timestamp``. A value that nobody has read yet is JSON, a
    ``Raw``: who looks here must let ``read`` decode it. Values below the root are never raw."""
    _metadata: dict[str, Value] | Raw
    now_ns: int
    """The clock when the event's chunk was processed, in nanoseconds since 1970."""
    failures: int = 0
    """How many times filters tagged a failure."""
    is_cancelled: bool = False
    """Dropped: no further filter and no output sees it."""

    def read(self, name: str) -> Value:
        """Return the value of a root field; None also where it is not there."""
        value = self.root.get(name)
        if type(value) is Raw:
            value = self.root[name] = value_of(value)
        return value

    @property
    def fields(self) -> dict[str, Value]:
        """Root fields, all of them decoded: for those who look at the whole event."""
        root = self.root
        for name, value in root.items():
            if type(value) is Raw:
                root[name] = value_of(value)
        return root

    @property
    def metadata(self) -> dict[str, Value]:
        """The fields of ``@metadata``."""
        found = self._metadata
        if type(found) is Raw:
            found = self._metadata = value_of(found)
        return found

    def get(self, reference: Reference) -> Value:
        """Return the field's value, or ``MISSING``."""
        found: Any = self.metadata if reference.is_metadata else self.root
        for key in reference.path:
            if isinstance(found, dict):
                found = found.get(key, MISSING)
                if type(found) is Raw:
                    found = self.read(key)
            elif isinstance(found, list):
                found = _element(found, key)
            else:
                return MISSING
        return found

    def set(self, reference: Reference, value: Value) -> None:
        """Set the field, making the objects on the way.

        Raises:
            FieldError: a parent is no object or list, or the value cannot be that field's.
        """
        if not reference.is_metadata:
            self._check(reference.path, value)
        elif not reference.path:
            if not isinstance(value, dict):
                raise FieldError("@metadata can only be an object")
            self._metadata = value
            return
        holder: Any = self.metadata if reference.is_metadata else self.root
        if len(reference.path) > 1 and not reference.is_metadata:
            self.read(reference.path[0])
        for key in reference.path[:-1]:
            holder = _child(holder, key, reference)
        _put(holder, reference.path[-1], value, reference)

    def remove(self, reference: Reference) -> Value:
        """Take the field out and return its value, or ``MISSING``."""
        if reference.is_metadata and not reference.path:
            removed, self._metadata = self.metadata, {}
            return removed
        holder: Any = self.metadata if reference.is_metadata else self.root
        if not reference.is_metadata:
            self.read(reference.path[0])
        for key in reference.path[:-1]:
            if isinstance(holder, dict):
                holder = holder.get(key)
            elif isinstance(holder, list):
                holder = _element(holder, key)
            else:
                return MISSING
        last = reference.path[-1]
        if isinstance(holder, dict):
            return holder.pop(last, MISSING)
        if isinstance(holder, list):
            index = _index(holder, last)
            return MISSING if index is None else holder.pop(index)
        return MISSING

    def tag(self, tag: str) -> None:
        """Add a tag unless it is there; this is how filters report failures."""
        self.failures += 1
        tags = self.read("tags")
        if tags is None:
            self.root["tags"] = [tag]
        elif isinstance(tags, list):
            if tag not in tags:
                tags.append(tag)
        elif tags != tag:
            self.root["tags"] = [tags, tag]

    @property
    def timestamp(self) -> Timestamp | None:
        """The event's time; None when a filter removed it."""
        found = self.root.get("@timestamp")
        return found if isinstance(found, Timestamp) else None

    def cancel(self) -> None:
        self.is_cancelled = True

    def clone(self) -> Event:
        """Return a deep copy."""
        return Event(copied(self.root), copied(self._metadata), now_ns=self.now_ns)

    def _check(self, path: tuple[str, ...], value: Value) -> None:
        if path == _TIME and not isinstance(value, Timestamp):
            raise FieldError("@timestamp can only be a timestamp")
        if path == _TAGS and not _are_tags(value):
            raise FieldError("tags can only be a list of strings")


def reference(text: str) -> Reference:
    """Parse a reference; a short name for filters.

    Raises:
        FieldError: it is malformed.
    """
    return parse_reference(text)


def new_event(fields: Mapping[str, Value | Raw], *, now_ns: int) -> Event:
    """Make an event of root fields as they were sent; it gets ``@version`` and ``@timestamp``.

    A ``@timestamp`` that is no time is moved to ``_@timestamp``, and ``tags`` that are no list
    of strings to ``_tags``; a tag says so.
    """
    own = dict(fields)
    event = Event(own, {}, now_ns=now_ns)
    metadata = event.read("@metadata")
    own.pop("@metadata", None)
    if isinstance(metadata, dict):
        event.set(_METADATA, metadata)
    own.setdefault("@version", "1")
    if "tags" in own and not _are_tags(event.read("tags")):
        own["_tags"] = [own.pop("tags")]
        event.tag("_tagsparsefailure")
    moment = event.read("@timestamp") if "@timestamp" in own else MISSING
    if not isinstance(moment, Timestamp):
        parsed = parse_timestamp(moment) if isinstance(moment, str) else None
        own["@timestamp"] = Timestamp(now_ns) if parsed is None else parsed
        if parsed is None and moment is not MISSING:
            own["_@timestamp"] = moment
            event.tag("_timestampparsefailure")
    event.failures = 0
    return event


def _are_tags(value: Value) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _index(items: list[Value], key: str) -> int | None:
    try:
        index = int(key)
    except ValueError:
        return None
    return index if -len(items) <= index < len(items) else None


def _element(items: list[Value], key: str) -> Value:
    index = _index(items, key)
    return MISSING if index is None else items[index]


def _child(holder: Any, key: str, reference: Reference) -> Any:
    """The object or list below ``holder``, made if it is missing."""
    if isinstance(holder, dict):
        if key not in holder:
            holder[key] = {}
        return holder[key]
    if isinstance(holder, list):
        found = _element(holder, key)
        if found is not MISSING:
            return found
        made: dict[str, Value] = {}
        _set_element(holder, key, made, reference)
        return made
    raise FieldError(f"{reference.text} cannot be set: a parent of it is no object")


def _put(holder: Any, key: str, value: Value, reference: Reference) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    elif isinstance(holder, list):
        _set_element(holder, key, value, reference)
    else:
        raise FieldError(f"{reference.text} cannot be set: its parent is no object")


def _set_element(items: list[Value], key: str, value: Value, reference: Reference) -> None:
    """Set an element, filling the list up with nulls; a key that is no number sets nothing."""
    try:
        index = int(key)
    except ValueError:
        return
    if index < -len(items) or index >= len(items) + _NULLS_MOST:
        raise FieldError(f"{reference.text} cannot be set: the list has {len(items)} elements")
    if index >= len(items):
        items += [None] * (index + 1 - len(items))
    items[index] = value
