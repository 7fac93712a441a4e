"""Which documents an index would refuse, before any is sent, and what they add to it. Pure.

    check = RefusalCheck(rules)
    verdict = check.verdict(body)        # in the order in which documents would be sent
    verdict.refusal, verdict.unjudged, check.new

A document that would be taken teaches the rules its new fields, as it teaches Elasticsearch, so
that the next one meets them. One that would be refused teaches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from ptingest.tools.plan.rules import Field, Parent, Rules, new_field
from ptingest.tools.plan.values import (
    DATES,
    MAY_BE_MALFORMED,
    Scalar,
    detected_format,
    is_beyond_span,
    is_detected_number,
    is_judged,
    shown,
    why_unfit,
)

TIMESTAMP = "@timestamp"
OF_ELASTICSEARCH = frozenset(
    {"_id", "_index", "_source", "_version", "_seq_no", "_ignored", "_field_names", "_routing",
     "_nested_path", "_tier", "_data_stream_timestamp"}
)  # fmt: skip
"""Names at the top of a document that Elasticsearch keeps for itself."""
NUMBER_CHARACTERS = 1_000
"""The longest number that its JSON parser reads."""
TAKES_OBJECTS = frozenset({"flattened"})


class Refusal(NamedTuple):
    """Why a document would be refused; ``field`` is empty where no field is to blame."""

    field: str
    reason: str


class Verdict(NamedTuple):
    """One document."""

    refusal: Refusal | None = None
    unjudged: tuple[str, ...] = ()
    """Fields of types or formats that are not known here: the document may be refused for them."""


class _Refused(Exception):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.refusal = Refusal(path, reason)


@dataclass(slots=True)
class _Added:
    """What one document would add, and what could not be judged."""

    fields: dict[str, Field] = field(default_factory=dict)
    parents: dict[str, Parent] = field(default_factory=dict)
    unjudged: set[str] = field(default_factory=set)
    beyond: set[str] = field(default_factory=set)
    timestamps: int = 0


class RefusalCheck:
    """Judges the documents of one stream, one after the other."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.new: dict[str, Field] = {}
        """Fields that the documents so far would add."""
        self.beyond: set[str] = set()
        """Fields that would not be mapped, since the limit is reached."""

    def verdict(self, body: bytes) -> Verdict:
        """Judge one document: a JSON object in UTF-8."""
        added = _Added()
        try:
            document = _read(body)
            for name in document:
                if name in OF_ELASTICSEARCH and name not in self.rules.fields:
                    raise _Refused(name, "is a name that Elasticsearch keeps for itself")
            self._object(document, "", "", added)
            if self.rules.wants_timestamp and added.timestamps != 1:
                seen = "is missing" if not added.timestamps else "has more than one value"
                raise _Refused(TIMESTAMP, f"{seen}: a data stream needs exactly one")
            self._commit(added)
        except _Refused as refused:
            return Verdict(refused.refusal, tuple(sorted(added.unjudged)))
        return Verdict(None, tuple(sorted(added.unjudged)))

    def _commit(self, added: _Added) -> None:
        self.rules.fields |= added.fields
        self.rules.parents |= added.parents
        self.new |= added.fields
        self.beyond |= added.beyond

    # --- the walk ---------------------------------------------------------------------------

    def _object(self, value: Mapping[str, Any], prefix: str, parent: str, added: _Added) -> None:
        """Walk an object; ``parent`` is the nearest mapped object, by its whole name."""
        has_subobjects = self._parent(parent, added).has_subobjects
        for name, inner in value.items():
            if not has_subobjects:
                # Of an object that is taken apart, the name of the whole is not blank.
                is_apart = prefix != (parent and f"{parent}.")
                if not name.strip() and not is_apart:
                    raise _Refused(prefix + name, "is a field without a name")
                self._value(inner, prefix + name, parent, added)
                continue
            parts = name.rstrip(".").split(".")
            if any(not part.strip() for part in parts):
                raise _Refused(prefix + name, "is a name with an empty part")
            for part in reversed(parts[1:]):
                inner = {part: inner}
            self._value(inner, prefix + parts[0], parent, added)

    def _value(self, value: Any, path: str, parent: str, added: _Added) -> None:
        known = self.rules.fields.get(path)
        is_parent = path in self.rules.parents or path in added.parents
        if isinstance(value, list) and value:
            for one in value:
                self._value(one, path, parent, added)
        elif known is not None and known.type == "alias" and value != []:
            raise _Refused(path, "is an alias of another field, which cannot be written to")
        elif value is None or value == []:
            if known is None and not is_parent:
                self._may_add(path, parent, added)  # it adds nothing, but a strict mapping refuses
        elif is_parent:
            self._in_parent(value, path, added)
        elif isinstance(value, dict):
            self._new_object(value, path, parent, known or added.fields.get(path), added)
        elif known is None:
            self._new_value(value, path, parent, added)
        else:
            self._fit(value, path, known, added)

    def _in_parent(self, value: Any, path: str, added: _Added) -> None:
        if not self._parent(path, added).is_enabled:
            return
        if not isinstance(value, dict):
            raise _Refused(path, f"is an object in the mapping, here it is {shown(value)}")
        self._object(value, f"{path}.", path, added)

    def _new_object(
        self, value: dict[str, Any], path: str, parent: str, known: Field | None, added: _Added
    ) -> None:
        if known is not None and known.type in TAKES_OBJECTS:
            return
        if not self._parent(parent, added).has_subobjects:
            self._object(value, f"{path}.", parent, added)
            return
        if known is not None:
            is_lenient = known.type in DATES and self._is_ignored(known)
            if not is_judged(known.type, known.options) or (
                is_lenient and self.rules.is_newer is None
            ):
                added.unjudged.add(path)
            elif not (is_lenient and self.rules.is_newer):
                raise _Refused(path, f"is an object, and the field is {known.type}")
            return
        if self._may_add(path, parent, added):
            if path.count(".") + 1 >= self.rules.depth:
                raise _Refused(path, f"is {self.rules.depth} objects deep, the most allowed")
            if self._has_room(path, 1, added):
                added.parents[path] = Parent()
                self._object(value, f"{path}.", path, added)

    def _new_value(self, value: Scalar, path: str, parent: str, added: _Added) -> None:
        if not self._may_add(path, parent, added):
            return
        kind = self._kind(value)
        made = new_field(self.rules, path, kind)
        if made is not None and kind == made.type == "date" and "format" not in made.options:
            made = Field("date", {**made.options, "format": detected_format(str(value))})
        if made is None:
            return
        first = added.fields.get(path)
        if first is None:
            if not self._has_room(path, made.size, added):
                return
            added.fields[path] = made
        elif first.type != made.type:
            self._mix(value, path, first, made, added)
            return
        self._fit(value, path, made, added)

    def _mix(self, value: Scalar, path: str, first: Field, made: Field, added: _Added) -> None:
        """A further value, of another type, of a field that is new in this document."""
        if self.rules.is_newer is None:
            added.unjudged.add(path)
        elif self.rules.is_newer:
            self._fit(value, path, first, added)
        else:
            raise _Refused(path, f"is new with values of two types, {first.type} and {made.type}")

    def _kind(self, value: Scalar) -> str:
        if isinstance(value, bool):
            return "boolean"
        if isinstance(value, str):
            if self.rules.detects_dates and detected_format(value):
                return "date"
            if self.rules.detects_numbers and is_detected_number(value):
                return "long" if value.lstrip("+-").isdigit() else "double"
            return "string"
        return "long" if isinstance(value, int) else "double"

    def _fit(self, value: Scalar, path: str, known: Field, added: _Added) -> None:
        added.timestamps += path == TIMESTAMP
        if known.type in TAKES_OBJECTS:
            raise _Refused(path, f"is {shown(value)}, and the field is {known.type}")
        if not is_judged(known.type, known.options):
            added.unjudged.add(path)
            return
        problem = why_unfit(value, known.type, known.options, coerces=self.rules.coerces)
        if problem is not None and not self._is_ignored(known):
            if self.rules.is_newer is not False and is_beyond_span(
                value, known.type, known.options
            ):
                added.unjudged.add(path)
                return
            raise _Refused(path, problem)
        for name, options in (known.options.get("fields") or {}).items():
            self._fit(value, f"{path}.{name}", Field(options["type"], options), added)

    # --- what the rules say -----------------------------------------------------------------

    def _is_ignored(self, known: Field) -> bool:
        """Whether a value that does not fit is kept and not indexed."""
        if known.type not in MAY_BE_MALFORMED:
            return False
        own = known.options.get("ignore_malformed", self.rules.ignores_malformed)
        return str(own).lower() == "true"

    def _parent(self, path: str, added: _Added) -> Parent:
        return self.rules.parents.get(path) or added.parents[path]

    def _may_add(self, path: str, parent: str, added: _Added) -> bool:
        """Whether a new field is mapped there; raises where it is refused."""
        dynamic = None
        while dynamic is None:
            dynamic = self._parent(parent, added).dynamic
            parent = parent.rpartition(".")[0]
        if dynamic == "strict":
            raise _Refused(path, "is not in the mapping, which is strict")
        return dynamic == "true"

    def _has_room(self, path: str, size: int, added: _Added) -> bool:
        rules = self.rules
        used = rules.size + sum(one.size for one in added.fields.values()) + len(added.parents)
        if used + size <= rules.limit:
            return True
        if not rules.ignores_beyond_limit:
            raise _Refused(path, f"would be field {used + size:,}, the limit is {rules.limit:,}")
        added.beyond.add(path)
        return False


# --- reading ----------------------------------------------------------------------------


def _read(body: bytes) -> dict[str, Any]:
    """Read a document, numbers as they are written; refuses what Elasticsearch's parser does."""
    found = json.loads(body, object_pairs_hook=_members, parse_float=_decimal, parse_int=_integer)
    assert isinstance(found, dict)
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(twice, "is there twice in one object")
    return found


def _decimal(text: str) -> Decimal:
    _refuse_long(text)
    return Decimal(text)


def _integer(text: str) -> int:
    _refuse_long(text)
    return int(text)


def _refuse_long(text: str) -> None:
    if len(text) > NUMBER_CHARACTERS:
        raise _Refused(
            "", f"a number of {len(text):,} characters, the most is {NUMBER_CHARACTERS:,}"
        )
