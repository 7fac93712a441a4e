"""What Logstash's input ``kafka`` makes of a record before the first filter sees it.

    value --codec--> message or members, event.original --> type, add_field, tags --> metadata

A payload is a record with its place (``model/record_frame``). Without one, as ``try`` has it,
it is the value of a record of the first topic of the config.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from ptingest.model.record_frame import RecordHead, unframed
from ptingest.pipeline.decode import INVALID_UTF8, Decoded, Unreadable, decode_payload
from ptingest.pipeline.logstash.event import Event, new_event
from ptingest.pipeline.logstash.json_codec import events_of_json
from ptingest.pipeline.logstash.values import FieldError, Value

CODECS = ("plain", "json")
_MILLI = 1_000_000
Level = Literal["none", "basic", "extended"]
_NOT_AN_EVENT = frozenset({"not_json", "not_an_object"})
"""Of these the codec json makes events of its own; what else is unreadable stays that."""


class SentRecord(Decoded, frozen=True, gc=False):
    """A record; ``event`` has the members of its JSON object, nothing where it is none."""

    text: str = ""
    head: RecordHead | None = None
    is_object: bool = False


class KafkaOptions(NamedTuple):
    """What the options of the input say of events."""

    codec: str = "plain"
    """One of ``CODECS``."""
    has_ecs: bool = True
    """The value is kept in ``event.original``, too."""
    level: Level = "none"
    """Which of a record's place, key and headers become fields of ``[@metadata][kafka]``."""
    group: str = "logstash"
    topic: str = "logstash"
    """What is told of a payload that is only a value."""
    type_name: str | None = None
    decorate: Callable[[Event], object] = lambda _event: None
    """Applies ``add_field`` and ``tags``."""


class KafkaInput:
    """Builds events as one input ``kafka`` does."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._is_json = options.codec == "json"

    def sent(self, payload: bytes, *, is_any: bool) -> Decoded | Unreadable | None:
        """Decode a payload that is a record; ``is_any``: whatever it is. Else return None."""
        record = unframed(payload)
        if record is None and not is_any:
            return None
        head, value = (None, payload) if record is None else record
        text = value.decode("utf-8", "replace")
        marks = (INVALID_UTF8,) if "\ufffd" in text and not _is_utf8(value) else ()
        if not self._is_json:
            return SentRecord({}, payload, marks, text, head)
        found = decode_payload(value)
        if isinstance(found, Unreadable):
            return SentRecord({}, payload, marks, text, head) if _is_kept(found) else found
        return SentRecord(found.event, payload, found.marks, text, head, is_object=True)

    def events_of(self, sent: SentRecord, *, now_ns: int) -> list[Event]:
        """Return the events of a record, nearly always one."""
        events = self._decoded_by_codec(sent, now_ns)
        for event in events:
            self._apply_options(event)
            if self._options.level != "none":
                head = sent.head or RecordHead(self._options.topic, 0, 0, now_ns // _MILLI)
                self._tell_record(event, head)
        return events

    def _decoded_by_codec(self, sent: SentRecord, now_ns: int) -> list[Event]:
        text = sent.text
        if not self._is_json:
            event = new_event({"message": text}, now_ns=now_ns)
            if self._options.has_ecs:
                event.root["event"] = {"original": text}
            return [event]
        return events_of_json(
            text,
            has_ecs=self._options.has_ecs,
            now_ns=now_ns,
            members=sent.event if sent.is_object else None,
        )

    def _apply_options(self, event: Event) -> None:
        if self._options.type_name is not None:
            event.root.setdefault("type", self._options.type_name)
        try:
            self._options.decorate(event)
        except FieldError:
            # A field of the config that cannot be set in this event; Logstash ends its input then.
            event.tag("_input_error")

    def _tell_record(self, event: Event, head: RecordHead) -> None:
        found = event.metadata.get("kafka")
        own: dict[str, Value] = found if isinstance(found, dict) else {}
        own |= {
            "topic": head.topic,
            "consumer_group": self._options.group,
            "partition": head.partition,
            "offset": head.offset,
            "key": head.key,
            "timestamp": head.timestamp,
        }
        if self._options.level == "extended" and head.headers:
            headers = own.get("headers")
            own["headers"] = {**(headers if isinstance(headers, dict) else {}), **head.headers}
        event.metadata["kafka"] = own


def _is_kept(found: Unreadable) -> bool:
    return found.reason in _NOT_AN_EVENT


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
