"""The reference stages: all stages for the events of one group, in the order of Logstash.

    Beats input -> parse -> set fields -> classify -> timestamp -> route -> key

They accept any event, and they are the only code that writes into an event. The fast path
(``fast/documents.py``) gives the same result for common events and passes all others to these
stages. Values stay raw bytes unless a stage needs them. Rules that look odd are Logstash's:
reference and line are named where they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec import Raw

from ptingest.model.document import DataStream
from ptingest.model.outcome import DropReason
from ptingest.pipeline.classify import Classifier
from ptingest.pipeline.decode import must_be
from ptingest.pipeline.identity import event_key
from ptingest.pipeline.interpolate import MISSING, interpolated, is_truthy, message_text
from ptingest.pipeline.own_time import OwnTimes
from ptingest.pipeline.patterns import Parsed, Parser
from ptingest.pipeline.pipeline import Outcome
from ptingest.pipeline.route import (
    FALLBACK,
    illegal_name,
    is_unresolved,
    mended_dataset,
    shown,
)
from ptingest.pipeline.timestamps import Instant, TimeReader, instant_text, read_event_time
from ptingest.settings.profile import GroupSettings, ProfileSettings

CODEC_TAG = "beats_input_codec_plain_applied"
RAW_EVENT_TAG = "beats_input_raw_event"
TIMESTAMP_TAG = "_timestampparsefailure"
MUTATE_TAG = "_mutate_error"
DATE_TAG = "_dateparsefailure"
NULL = Raw(b"null")

Event = dict[str, object]

_DIGIT = re.compile("[0-9]").search
_object = msgspec.json.Decoder(dict[str, Raw]).decode
_list = msgspec.json.Decoder(list[Raw]).decode
_text = msgspec.json.Decoder(str).decode
_tags = msgspec.json.Decoder(list[str] | str | None).decode


@dataclass(slots=True)
class StageResult:
    """One event after all stages, with every decision about it."""

    event: Event
    service: str
    """Metric label."""
    outcome: Outcome = "indexed"
    reason: str | None = None
    detail: str = ""
    data_stream: DataStream | None = None
    name: str | None = None
    """The name of the data stream that Logstash would have written to, legal or not."""
    key: str | None = None
    pattern: str | None = None
    rule: str | None = None
    body: bytes = b""
    """The encoded event."""
    notes: list[str] = field(default_factory=list)
    """Notes: what was tagged or mended."""

    def dead(self, reason: str, detail: str) -> StageResult:
        self.outcome, self.reason, self.detail = "dead_letter", reason, detail
        return self

    def dropped(self, reason: DropReason) -> StageResult:
        self.outcome, self.reason = "dropped", str(reason)
        return self


@dataclass(slots=True)
class _Time:
    """The times of an event."""

    sent: Instant | None
    """Filebeat's time, None when it is missing or unreadable."""
    sent_text: str
    captured_text: str | None = None
    """The time in the message, when a pattern found it."""
    captured_fraction: str | None = None
    """Digits that a pattern cut off that time."""
    final: Instant | None = None
    """The result of the date stage."""


class Group:
    """The compiled stages of one group."""

    def __init__(self, settings: GroupSettings, profile: ProfileSettings) -> None:
        self.settings = settings
        self.profile = profile
        self.parser = Parser(
            settings.patterns, is_strict=profile.parsing == "strict", numbers=settings.numbers
        )
        self.classifier = Classifier(settings.categories)
        self.time_reader = TimeReader(
            settings.times,
            timezone=profile.timezone,
            is_full=profile.timestamp_precision == "full",
        )
        self.own_times = OwnTimes(self.time_reader)
        self.known_services = frozenset(settings.known_services)

    # --- all stages --------------------------------------------------------------------------

    def process(self, event: Event, *, marks: tuple[str, ...], now_ns: int) -> StageResult:
        """Run all stages for one event; ``event`` is changed in place."""
        service = event.get("service", MISSING)
        dataset = interpolated(service, placeholder="%{[service]}")
        result = StageResult(event, dataset if dataset in self.known_services else "other")
        result.notes += marks
        broken = self._refused_by_input(event)
        if broken is not None:
            return result.dead(*broken)
        time = self._beats_input(result, now_ns)
        parsed = self._parse(result, time)
        self._set_fields(result, dataset)
        self._classify(result)
        self._timestamp(result, time)
        if time.final is None and time.sent is None:
            result.notes.append("time_made_up")
        self._keep_original(result, parsed)
        message = self._message(event)
        captured, fraction = time.captured_text, time.captured_fraction
        instant = captured and self.time_reader.read(captured, fraction)
        own = self.own_time(message or "", captured, fraction, instant=instant or None)
        if own is None and time.sent is not None:
            own = time.sent_text, time.sent.millis
        result.key = own and event_key(event, message, *own)
        return self._route(result, dataset)

    def apply_input(self, result: StageResult, now_ns: int) -> None:
        """Apply the Beats input alone, for an event that no group processes further."""
        if self._refused_by_input(result.event) is None:
            self._beats_input(result, now_ns)
            self._keep_original(result, None)

    def own_time(
        self, message: str, captured: str | None, fraction: str | None, *, instant: Instant | None
    ) -> tuple[str, int] | None:
        """Return the time that the line itself has, as its text and in milliseconds.

        That is the captured time, as the group's formats read it (``instant``), or else as
        exactly as it can be read; or the first time in the message; None when the line has
        none. Filebeat's own time changes at a restart, so a key has it only when the line has
        none.
        """
        if captured is not None:
            instant = instant or self.time_reader.read_fully(captured, fraction)
            if instant is not None:
                return captured, instant.millis
            found = self.own_times.find_in_text(captured)
            if found is not None:
                return captured, found[1]
            if _DIGIT(captured):
                # In no form that can be read, but still this line's time and no other's.
                return captured, 0
        found = self.own_times.find_in_text(message)
        if found is None:
            return None
        text, millis = found
        return text.decode("ascii"), millis

    # --- Beats input ----------------------------------------------------------------------

    def _refused_by_input(self, event: Event) -> tuple[str, str] | None:
        """Logstash raises on these, closes the connection and receives them again, for ever."""
        try:
            _tags(_raw(event.get("tags")) or NULL)
        except msgspec.DecodeError:
            return "tags_invalid", must_be("tags", "a string or a list of strings")
        inner = bytes(_raw(event.get("event")) or b"{}")
        has_line = _is_there(event.get("message")) or _is_there(event.get("line"))
        if not inner.startswith(b"{") and (inner != b"null" or has_line):
            return "event_invalid", must_be("event", "an object")
        return None

    def _beats_input(self, result: StageResult, now_ns: int) -> _Time:
        """Do what the Beats input and its plain codec do before any filter."""
        event = result.event
        event.pop("@metadata", None)
        event.setdefault("@version", "1")
        tags = _tags(_raw(event.get("tags")) or NULL)
        sent = event.pop("@timestamp", None)
        time = _sent_time(_raw(sent))
        made_up = Instant(*divmod(now_ns, 1_000_000_000))
        event["@timestamp"] = instant_text(time.sent or made_up)
        source = "message" if _is_there(event.get("message")) else "line"
        if _is_there(event.get(source)):
            text = message_text(_must_raw(event.pop(source)))
            event.setdefault("message", text)
            inner: dict[str, object] = {"original": text}
            if "event" in event:
                inner |= _object(bytes(_must_raw(event["event"])))
            event["event"] = inner
            tags = tagged(tags, CODEC_TAG)
        else:
            if _is_there(sent) and time.sent is None:
                event["_@timestamp"] = sent
                tags = tagged(tags, TIMESTAMP_TAG)
            tags = tagged(tags, RAW_EVENT_TAG)
        for mark in result.notes:
            if mark == "invalid_utf8":
                tags = tagged(tags, "_invalid_utf8")
        event["tags"] = tags
        return time

    def _keep_original(self, result: StageResult, parsed: Parsed | None) -> None:
        """Drop our copy of the message when the profile says so."""
        policy = self.profile.event_original
        has_failed = parsed is None or "date_failure" in result.notes
        inner = result.event.get("event")
        if policy == "keep" or (policy == "on_failure" and has_failed):
            return
        if isinstance(inner, dict) and isinstance(inner.get("original"), str):
            del inner["original"]
            if not inner:
                del result.event["event"]

    # --- grok -----------------------------------------------------------------------------

    def _parse(self, result: StageResult, time: _Time) -> Parsed | None:
        event = result.event
        message = self._message(event)
        parsed = None if message is None else self.parser.parse(message)
        if parsed is None:
            result.notes.append("grok_failure")
            self._tag(event, self.settings.failure_tag)
            return None
        result.pattern = parsed.pattern
        if parsed.is_loose:
            result.notes.append("loose_match")
        for name, value in parsed.values.items():
            event[name] = _accumulated(event.get(name), value)
        settings = self.settings.time
        time.captured_text = parsed.captures.get(settings.field)
        time.captured_fraction = parsed.captures.get(settings.fraction_field or "")
        return parsed

    @staticmethod
    def _message(event: Event) -> str | None:
        message = event.get("message")
        return message if isinstance(message, str) else None

    # --- mutate ---------------------------------------------------------------------------

    def _set_fields(self, result: StageResult, dataset: str) -> None:
        """Set the data stream and the group's constants: all of them, or none when one fails."""
        stream = self.settings.data_stream
        wanted = {
            "data_stream.type": stream.type,
            "data_stream.namespace": stream.namespace,
            "data_stream.dataset": mended_dataset(dataset, self.profile.sanitise_names),
            **self.settings.fields,
        }
        event = result.event
        parents = {path.split(".")[0] for path in wanted if "." in path}
        opened = {name: _opened(event.get(name)) for name in parents}
        if any(found == "scalar" for found in opened.values()):
            result.notes.append("mutate_failure")
            self._tag(event, MUTATE_TAG)
            return
        for path, text in wanted.items():
            parent, _, child = path.partition(".")
            target = opened.get(parent) if child else None
            if not child:
                event[parent] = text
            elif isinstance(target, dict):
                target[child] = text
                event[parent] = target

    # --- categories -----------------------------------------------------------------------

    def _classify(self, result: StageResult) -> None:
        name = _string(result.event.get(self.classifier.field))
        others = self.classifier.other_fields
        values = {field: _text_at(result.event, field) for field in others}
        classifier = self.classifier.given(values) if others else self.classifier
        label = classifier.otherwise if name is None else classifier.classify(name)
        result.event.update(label.fields)
        result.rule = label.rule

    # --- date -----------------------------------------------------------------------------

    def _timestamp(self, result: StageResult, time: _Time) -> None:
        """Run the date filter: skipped for the failure tag and for a field that is not truthy."""
        event, settings = result.event, self.settings.time
        tags = event["tags"]
        value = event.get(settings.field)
        # In a list the tag must be an element, in a string a part of the text.
        if isinstance(tags, list | str) and self.settings.failure_tag in tags:
            return
        if isinstance(value, str):
            if value == "false":
                return
        elif value is None or (isinstance(value, Raw) and not is_truthy(value)):
            return
        text = _string(value)
        fraction = _string(event.get(settings.fraction_field or ""))
        instant = None if text is None else self.time_reader.read(text, fraction)
        if instant is None:
            result.notes.append("date_failure")
            self._tag(event, DATE_TAG)
            return
        time.final = instant
        event["@timestamp"] = instant_text(instant)

    # --- output ---------------------------------------------------------------------------

    def _route(self, result: StageResult, dataset: str) -> StageResult:
        """Decide the data stream, or the reason why the event is not indexed."""
        if not is_truthy(_raw(result.event.get("service"))):
            return result.dropped(DropReason.NO_SERVICE)
        stream = self._data_stream(result.event)
        result.data_stream, result.name = stream, stream.name
        if is_unresolved(stream.name):
            return result.dead(
                "index_interpolation", f"{shown(stream.name)} still holds a placeholder"
            )
        if self.settings.only_known_services and dataset not in self.known_services:
            return result.dead(
                "service_not_allowed",
                f"service {shown(dataset)} is not in known_services (only_known_services is true)",
            )
        wrong = illegal_name(stream.name)
        if wrong is not None:
            return result.dead("illegal_data_stream", f"{shown(stream.name)}: {wrong}")
        return result

    def own_stream(self, service: str) -> DataStream:
        """Return the data stream of a service's events, whatever else an event says."""
        stream = self.settings.data_stream
        dataset = mended_dataset(service, self.profile.sanitise_names)
        return DataStream(stream.type, dataset, stream.namespace)

    def _data_stream(self, event: Event) -> DataStream:
        """Take the name from the event where it has an object, and write the parts back."""
        found = _opened(event.get("data_stream"))
        parts = found if isinstance(found, dict) else {}
        event["data_stream"] = parts
        stream = DataStream(
            interpolated(parts.get("type"), placeholder=FALLBACK.type),
            interpolated(parts.get("dataset"), placeholder=FALLBACK.dataset),
            interpolated(parts.get("namespace"), placeholder=FALLBACK.namespace),
        )
        for name in ("type", "dataset", "namespace"):
            if not _is_there(parts.get(name)):
                parts[name] = getattr(stream, name)
        return stream

    @staticmethod
    def _tag(event: Event, tag: str) -> None:
        tags = event["tags"]
        assert isinstance(tags, list | str)
        event["tags"] = tagged(tags, tag)


# --- values -------------------------------------------------------------------------------


def _raw(value: object) -> Raw | None:
    return value if isinstance(value, Raw) else None


def _must_raw(value: object) -> Raw:
    assert isinstance(value, Raw)
    return value


def _is_there(value: object) -> bool:
    """Whether a field holds anything but null."""
    return value is not None and not (isinstance(value, Raw) and bytes(value) == b"null")


def _string(value: object) -> str | None:
    """Return a value that is a string, decoded."""
    if isinstance(value, Raw) and bytes(value).startswith(b'"'):
        return _text(value)
    return value if isinstance(value, str) else None


def _text_at(event: Event, path: str) -> str | None:
    """Return the text of a field by its name, else by its dotted path; None: it has none."""
    value: object = event.get(path)
    if value is None and "." in path:
        value = event
        for name in path.split("."):
            opened = _opened(value) if value is not None else None
            value = opened.get(name) if isinstance(opened, dict) else None
    return _string(value)


def _sent_time(raw: Raw | None) -> _Time:
    text = _string(raw)
    return _Time(None, "") if text is None else _Time(read_event_time(text), text)


def tagged(tags: list[str] | str | None, tag: str) -> list[str] | str:
    """Add a tag once; a lone string becomes a list when something is added to it."""
    listed = [] if tags is None else [tags] if isinstance(tags, str) else tags
    if tag in listed:
        return tags if tags is not None else listed
    return [*listed, tag]


def _accumulated(existing: object, text: object) -> object:
    """Add a capture to the values that are there: grok drops it when they are neither text nor
    list."""
    if not isinstance(existing, Raw):
        return text
    match bytes(existing)[:1]:
        case b'"':
            return [existing, text]
        case b"[":
            return [*_list(existing), text]
        case b"n":
            return text
        case _:
            return existing


def _opened(value: object) -> dict[str, object] | Literal["list", "scalar"]:
    """Open an object to set fields in it; a missing one is an empty object."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, Raw):
        return {} if value is None else "scalar"
    match bytes(value)[:1]:
        case b"{":
            return dict(_object(value))
        case b"n":
            return {}
        case b"[":
            return "list"
        case _:
            return "scalar"
