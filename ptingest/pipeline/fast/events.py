"""Payloads to structs of raw values: the decoder of the fast path.

A struct of raw values costs a fifth less to decode and encode than ``dict[str, Raw]``, its
fields are reached at no cost, and the decoder refuses unknown names, so that no code has to
test for fields that must be absent. Names that many events have (``container``, ``kubernetes``,
``fields`` ...) are learned; others are kept in a dict beside the struct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal

import msgspec
from msgspec import Raw

from ptingest.pipeline.decode import decode_event
from ptingest.pipeline.encode import encode_value

ABSENT = Raw(b"")
"""The value of a field that was not sent; no value is as short."""
LEARNED_NAMES = 24
"""Learned names; each costs a little at every event."""
LONGEST_NAME = 64
NOTED_NAMES = 64
"""Unknown names in one event; of events with more, none is noted, so that the notes stay small
whatever a peer sends."""
LESSON = 256
"""Events with unknown names, after which the names in a quarter of them are learned."""


class LogFields(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Filebeat's ``log`` in its usual form."""

    offset: int
    file: Raw = ABSENT
    flags: Raw = ABSENT


class DecodedEvent(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """The values of one event, raw; fields that are ``ABSENT`` are not encoded; in this order."""

    time: Raw = msgspec.field(default=ABSENT, name="@timestamp")
    metadata: Raw = msgspec.field(default=ABSENT, name="@metadata")
    tags: Raw = ABSENT
    event: Raw = ABSENT
    ecs: Raw = ABSENT
    agent: Raw = ABSENT
    host: Raw = ABSENT
    input: Raw = ABSENT
    group: str = ""
    """Compared by identity with the profile's names."""
    service: Raw = ABSENT
    log: LogFields | Any = ABSENT
    """Decoded when it has the usual form, else raw."""
    message: Raw = ABSENT
    first: Raw = msgspec.field(default=ABSENT, name="stream")
    """The first name that some stage overwrites, reached without a lookup by name."""


USUAL_NAMES = frozenset(msgspec.structs.fields(DecodedEvent)[at].encode_name for at in range(12))

Extras = dict[str, Raw]
"""Members whose names the struct does not know."""


class EventDecoder:
    """Decodes the events of some groups; learns the names of their members."""

    def __init__(
        self, groups: Iterable[str], *, overwritten: Iterable[str], unlearnable: Collection[str]
    ) -> None:
        """``overwritten`` are names whose values some stage discards: they become fields.
        ``unlearnable`` ones stay in the dict, since an event with one needs merging."""
        self._groups = tuple(groups)
        self._group_of = {encode_value(name): name for name in self._groups}
        self._overwritten = tuple(sorted(overwritten))
        self._unlearnable = frozenset(unlearnable)
        self._learned: list[str] = []
        self._has_usual_log = True
        self._lessons = self._unusual_logs = 0
        self._seen: Counter[str] = Counter()
        self._rebuild()

    def _rebuild(self) -> None:
        first = next(iter(self._overwritten), "stream")
        names = (first, *self._overwritten[1:], *self._learned)
        self.attributes = {name: f"other_{number}" for number, name in enumerate(names)}
        self.attributes[first] = "first"
        """Name of a member -> name of the field, for those that differ between profiles."""
        fields: list[tuple[str, Any, Any]] = [
            (attribute, Raw, msgspec.field(default=ABSENT, name=name))
            for name, attribute in self.attributes.items()
        ]
        fields.append(("group", Literal[self._groups or ("",)], ""))
        fields.append(("log", LogFields if self._has_usual_log else Raw, ABSENT))
        self._type = msgspec.defstruct(
            "SentHere",
            fields,
            bases=(DecodedEvent,),
            gc=False,
            omit_defaults=True,
            forbid_unknown_fields=True,
        )
        self._attribute_of = {
            each.encode_name: each.name for each in msgspec.structs.fields(self._type)
        }
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._type).decode
        """Decode a payload with known names only; raises MsgspecError for any other."""

    def decode_loosely(self, payload: bytes) -> tuple[Any, Extras] | None:
        """Decode any event of these groups; None for others. Raises as ``decode`` does."""
        event = decode_event(payload)
        group = self._group_of.get(bytes(event.pop("group", b"")))
        if group is None:
            return None
        known: dict[str, Any] = {
            attribute: event.pop(name)
            for name, attribute in self._attribute_of.items()
            if name in event
        }
        log = known.get("log")
        is_usual_log = True
        if log is not None and self._has_usual_log:
            try:
                known["log"] = _log_fields_of(log)
            except msgspec.DecodeError:
                is_usual_log = False
        self._learn(event, is_usual_log=is_usual_log)
        return self._type(**known, group=group), event

    def _learn(self, extras: Extras, *, is_usual_log: bool) -> None:
        """Note unknown names; learn the frequent ones from time to time."""
        self._lessons += 1
        self._unusual_logs += not is_usual_log
        if len(extras) <= NOTED_NAMES:
            self._seen.update(name for name in extras if len(name) <= LONGEST_NAME)
        if self._lessons < LESSON:
            return
        is_often = {name for name, count in self._seen.items() if count >= LESSON // 4}
        room = LEARNED_NAMES - len(self._learned)
        new = sorted(is_often - self._unlearnable)[:room]
        has_usual_log = self._has_usual_log and self._unusual_logs < LESSON // 4
        self._lessons = self._unusual_logs = 0
        self._seen.clear()
        if new or has_usual_log is not self._has_usual_log:
            self._learned += new
            self._has_usual_log = has_usual_log
            self._rebuild()


_log_fields_of = msgspec.json.Decoder(LogFields).decode
