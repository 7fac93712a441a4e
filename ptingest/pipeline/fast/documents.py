"""The fast path for common events, with the same result as the reference stages in
``group.py``.

An event is common when it is valid UTF-8, ``message`` is a string, its service is legal and was
seen before, and it has none of the fields that the stages would have to merge. Then the body is
the event's own values followed by ours. Only the values that the key needs are decoded, and
many of them are cached. The fast path returns None for all other events, and the reference
stages process them. A property test checks that both give the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ptingest.model.document import DataStream
from ptingest.pipeline.classify import Classifier
from ptingest.pipeline.decode import HARMLESS_BYTES, beyond_limits
from ptingest.pipeline.encode import encode_into, encode_value
from ptingest.pipeline.fast.cache import remember
from ptingest.pipeline.fast.events import ABSENT, USUAL_NAMES, EventDecoder, Extras
from ptingest.pipeline.fast.lines import FINE, NO_DATE, NO_MATCH, LineReader, ReadLine, decode_text
from ptingest.pipeline.group import CODEC_TAG, DATE_TAG, Group, tagged
from ptingest.pipeline.identity import (
    CONTAINER_NAMES,
    FILE_UNKNOWN,
    TEXT_HEADS,
    KeyMaker,
    framed_text,
    framed_value,
)
from ptingest.pipeline.route import illegal_name, is_unresolved, mended_dataset
from ptingest.pipeline.timestamps import instant_text, read_event_time

LONGEST_TAGS = 64 << 10
"""Bytes of tags that are encoded for every state; of longer ones only the needed state is."""
Tallies = dict[tuple[str, str], int]

_decode_tags = msgspec.json.Decoder(list[str]).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_QUOTE, _NEWLINE = b'"\n'
_VERSION = b',"@version":"1","@timestamp":"'
# What a member adds to its payload beside its value: the quoted key, a colon, a comma.
_TIMESTAMP_COST = len('"@timestamp":,')
_METADATA_COST = len('"@metadata":,')
_TAGS_COST = len('"tags":,')
_EVENT_COST = len('"event":,')
# A minute of four-digit years as they are printed, seconds and milliseconds.
_USUAL_TIME = re.compile(
    rb'("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):([0-5][0-9]\.[0-9]{3})Z"'
).fullmatch
_NOTES = {NO_MATCH: "grok_failure", NO_DATE: "date_failure"}


class Route(NamedTuple):
    """A service that may be indexed: its label, and how each of its bodies ends."""

    service: str
    data_stream: DataStream
    ending: bytes
    read: ReadLine


BeatTime = tuple[bytes, bytes, int]
"""Filebeat's time: as Logstash prints it, framed as it was sent, and in milliseconds."""

BuiltDocument = tuple[DataStream, bytes, str, bytes | None]
"""The values of a document: data stream, body, service, and the key as 16 bytes."""

BuildDocument = Callable[[Any, Extras | None, bytes, Tallies], BuiltDocument | None]
"""Takes a ``DecodedEvent``, the members that it has no fields for, the payload of both, and the
notes; returns the values of the event's document, or None for the reference stages."""


class FastPath:
    """Processes common events of one group; caches services, tags and times."""

    def __init__(self, group: Group, known_services: Container[str], reader: EventDecoder) -> None:
        """``reader`` decodes the events; it knows the fields that this group overwrites."""
        overwritten, reserved = touched_fields(group)
        self._reader = reader
        self._is_free = (reserved | overwritten.keys()).isdisjoint
        # (field, its cost) of values that are discarded, and fields of other groups that this
        # one would have to merge.
        attributes = reader.attributes
        self._costs = {attributes[name]: cost for name, cost in overwritten.items()}
        self._merged = [attributes[name] for name in attributes if name in reserved]
        # Encoded into the same buffer each time: fresh memory for a kilobyte costs more than
        # encoding it.
        self._rest = bytearray()
        self._routes = _Routes(group, known_services)
        self._tags = _Tags(group.settings.failure_tag)
        self._originals = _Originals(group)
        self._times = _BeatTimes()
        self.make = self._make()

    def release(self) -> None:
        """Free the buffer, which otherwise keeps the size of the largest event."""
        self._rest.clear()

    @staticmethod
    def is_usable(group: Group) -> bool:
        """Whether the group's fields collide neither with each other nor with those of all
        Beats."""
        captured = group.parser.fields
        constants = set(group.settings.fields)
        labels = {name for label in _labels(group) for name in label}
        return (
            not (captured & labels)
            and all(path.startswith("event.") for path in constants)
            and "line" not in captured | labels
            and USUAL_NAMES.isdisjoint((captured | labels) - {"event"})
            and {"service"}.issuperset(group.classifier.other_fields)
        )

    def _make(self) -> BuildDocument:  # noqa: C901 - counts the one it holds
        """Return the fast path as one function: its values are bound once, not looked up at
        each event; a further call would cost every event.

        ``b"" + raw`` copies a raw value in half the instructions of ``bytes(raw)``.
        """
        costs = dict(self._costs)
        first_cost, overwritten = costs.pop("first", 0), tuple(costs.items())
        merged, rest = self._merged, self._rest
        routes, tags_of, time_of = self._routes, self._tags, self._times.of
        originals, is_free = self._originals, self._is_free
        no_tags, no_event = tags_of[b"[]"], originals[b"{}"]
        key_of = KeyMaker().key_of

        def make(  # noqa: C901 - in one piece on purpose
            event: Any, extras: Extras | None, payload: bytes, tallies: Tallies
        ) -> BuiltDocument | None:
            raw = b"" + event.message
            route = routes[b"" + event.service]
            if route is None or not raw or raw[0] != _QUOTE:
                return None
            # The lengths of all members add up to the payload's exactly when it has no space
            # between tokens and no key twice.
            left = len(payload)
            if (sent := event.time) is not ABSENT:
                left -= _TIMESTAMP_COST + len(sent)
                event.time = ABSENT
            if (metadata := event.metadata) is not ABSENT:
                left -= _METADATA_COST + len(metadata)
                event.metadata = ABSENT
            states, original = no_tags, no_event
            if (tags := event.tags) is not ABSENT:
                left -= _TAGS_COST + len(tags)
                event.tags = ABSENT
                states = tags_of[b"" + tags]
            if (inner := event.event) is not ABSENT:
                left -= _EVENT_COST + len(inner)
                event.event = ABSENT
                original = originals[b"" + inner]
            if first_cost and (value := event.first) is not ABSENT:
                left -= first_cost + len(value)
                event.first = ABSENT
            for name, cost in overwritten:
                if (value := getattr(event, name)) is not ABSENT:
                    left -= cost + len(value)
                    setattr(event, name, ABSENT)
            encode_into(event, rest)
            # Without the brace that closes them.
            rest.pop()
            if extras:
                if not is_free(extras):
                    return None
                rest.extend(b"," + encode_value(extras)[1:-1])
            if left != len(rest) + 1 or _NEWLINE in rest:
                return self._without_spaces(payload, tallies)
            if len(payload) - len(raw) > HARMLESS_BYTES and beyond_limits(payload, raw):
                return None
            if states is None or original is None or (merged and _holds(event, merged)):
                return None
            service, data_stream, ending, read = route
            state, fields, printed, framed_time, millis, is_loose = read(raw)
            if not (printed and framed_time):
                if (sent_time := time_of(b"" + sent)) is None:
                    return None
                sent_printed, sent_framed, sent_millis = sent_time
                if not printed:
                    printed = sent_printed
                if not framed_time:
                    framed_time, millis = sent_framed, sent_millis
            before, after = original[state]
            # Before the body: the temporary memory of both is then not in use at the same time,
            # which is some hundred MB for an event of 60 MB.
            key = key_of(event.agent, event.host, event.log, raw, framed_time, millis)
            if not key:
                if key is FILE_UNKNOWN and self._is_of_container(event, extras):
                    return None
                key = None
            if before:
                body = b"".join(
                    (rest, _VERSION, printed, before, raw, after, states[state], fields, ending)
                )
            else:
                body = b"".join((rest, _VERSION, printed, after, states[state], fields, ending))
            if state != FINE or is_loose:
                _tally(state, service, tallies, is_loose=is_loose)
            return data_stream, body, service, key

        return make

    def _is_of_container(self, event: Any, extras: Extras | None) -> bool:
        """Whether the container may identify the event: then the reference stages process it."""
        attributes = self._reader.attributes
        return any(
            (extras and name in extras)
            or (name in attributes and getattr(event, attributes[name]) is not ABSENT)
            for name in CONTAINER_NAMES
        )

    def _without_spaces(self, payload: bytes, tallies: Tallies) -> BuiltDocument | None:
        """Try again without the spaces between tokens; the second time there are none."""
        compact = msgspec.json.format(payload, indent=-1)
        if len(compact) == len(payload):
            return None
        found = self._reader.decode_loosely(compact)
        return found and self.make(*found, compact, tallies)


def _holds(event: Any, names: list[str]) -> bool:
    return any(getattr(event, name) is not ABSENT for name in names)


def _tally(state: int, service: str, tallies: Tallies, *, is_loose: bool) -> None:
    notes = [_NOTES[state]] if state in _NOTES else []
    for what in [*notes, "loose_match"] if is_loose else notes:
        tallies[service, what] = tallies.get((service, what), 0) + 1


# --- caches -------------------------------------------------------------------------------


class _Routes(dict[bytes, Route | None]):
    """Data streams of services; None for all but plain, legal, allowed services."""

    def __init__(self, group: Group, known: Container[str]) -> None:
        self._group = group
        self._known = known
        self._readers: dict[Classifier, LineReader] = {}

    def __missing__(self, service: bytes) -> Route | None:
        route = self._find(service)
        remember(self, service, route)
        return route

    def _find(self, service: bytes) -> Route | None:
        if service[:1] != b'"':
            return None
        text = decode_text(service)
        settings, profile = self._group.settings, self._group.profile
        dataset = mended_dataset(text, profile.sanitise_names)
        stream = DataStream(settings.data_stream.type, dataset, settings.data_stream.namespace)
        if text in ("", "false") or is_unresolved(stream.name) or illegal_name(stream.name):
            return None
        if settings.only_known_services and text not in self._group.known_services:
            return None
        parts = {name: getattr(stream, name) for name in ("type", "dataset", "namespace")}
        ending = b',"data_stream":%b}' % encode_value(parts)
        label = text if text in self._known else "other"
        return Route(label, stream, ending, self._reader_for(text).read)

    def _reader_for(self, service: str) -> LineReader:
        """Return the reader of this service's lines; nearly always there is one for all."""
        classifier = self._group.classifier.given({"service": service})
        if classifier not in self._readers:
            self._readers[classifier] = LineReader(self._group, classifier)
        return self._readers[classifier]


class _Tags(dict[bytes, tuple[bytes, ...] | None]):
    """Encoded tags by state (fine, no match, no date); None for all but a list of strings."""

    def __init__(self, failure_tag: str) -> None:
        self._failure_tag = failure_tag

    def __missing__(self, sent: bytes) -> tuple[bytes, ...] | None:
        states = self._encode(sent)
        remember(self, sent, states)
        return states

    def _encode(self, sent: bytes) -> tuple[bytes, ...] | None:
        if len(sent) > LONGEST_TAGS:
            return None
        try:
            tags = _decode_tags(sent)
        except msgspec.DecodeError:
            return None
        fine = tagged(tags, CODEC_TAG)
        if self._failure_tag in fine:
            return None
        states = (fine, tagged(fine, self._failure_tag), tagged(fine, DATE_TAG))
        return tuple(encode_value(state) for state in states)


Originals = tuple[tuple[bytes, bytes], ...]
"""By state (fine, no match, no date): the text before the message as ``event.original``, and
the text after it up to the tags; the first is empty when the message is not repeated."""


class _Originals(dict[bytes, Originals | None]):
    """How ``event`` is written, by the value that was sent: Filebeat's modules send a few.

    None when it is not an object or has an ``original`` of its own.
    """

    def __init__(self, group: Group) -> None:
        self._constants = {
            path.partition(".")[2]: text for path, text in group.settings.fields.items()
        }
        policy = group.profile.event_original
        self._keeps = (policy == "keep", policy != "drop", policy != "drop")

    def __missing__(self, sent: bytes) -> Originals | None:
        found = self._encode(sent)
        remember(self, sent, found)
        return found

    def _encode(self, sent: bytes) -> Originals | None:
        try:
            inner = _decode_object(sent)
        except msgspec.DecodeError:
            return None
        if "original" in inner:
            return None
        members = encode_value({**inner, **self._constants})[1:-1]
        kept = b'","event":{"original":', b"," * bool(members) + members + b'},"tags":'
        bare = b'","event":{' + members + b"}" if members else b'"'
        return tuple(kept if keeps else (b"", bare + b',"tags":') for keeps in self._keeps)


class _BeatTimes:
    """Filebeat's times: cached seconds, and what may follow them as Filebeat prints it."""

    def __init__(self) -> None:
        self._seconds: dict[bytes, int] = {}
        self._minutes: dict[bytes, int | None] = {}
        self._millis = {b'.%03dZ"' % number: number for number in range(1000)}

    def of(self, sent: bytes) -> BeatTime | None:
        """Read the raw value; None when it cannot be read."""
        start, end = sent[:20], sent[20:]
        second, millis = self._seconds.get(start), self._millis.get(end)
        if second is None or millis is None:
            return self._usual(sent) or self._read(sent)
        text = sent[1:-1]
        return text, TEXT_HEADS[24] + text, second + millis

    def _usual(self, sent: bytes) -> BeatTime | None:
        """Read the form that Filebeat writes, which is printed unchanged; most of it is the
        minute."""
        found = _USUAL_TIME(sent)
        if found is None:
            return None
        minute, rest = found.groups()
        if minute not in self._minutes:
            of_minute = self._read(minute + b':00.000Z"')
            # 24:00 and the 30th of February are read, and printed as another minute.
            as_it_came = minute[1:] + b":00.000Z"
            is_plain = of_minute is not None and of_minute[0] == as_it_came
            remember(self._minutes, minute, of_minute[2] if is_plain and of_minute else None)
        millis = self._minutes[minute]
        if millis is None:
            return None
        second = millis + int(rest[:2]) * 1000
        remember(self._seconds, sent[:20], second)
        return sent[1:-1], framed_text(sent[1:-1]), second + int(rest[3:])

    @staticmethod
    def _read(sent: bytes) -> BeatTime | None:
        if sent[:1] != b'"':
            return None
        text = decode_text(sent)
        instant = read_event_time(text)
        if instant is None:
            return None
        return instant_text(instant).encode("ascii"), framed_value(text), instant.millis


def _labels(group: Group) -> list[dict[str, str]]:
    categories = group.settings.categories
    return [*(rule.set for rule in categories.rules), categories.otherwise]


def touched_fields(group: Group) -> tuple[dict[str, int], frozenset[str]]:
    """Fields that every label sets, with their cost, and fields that must be absent.

    The former are overwritten whatever the Beat sent; an event with one of the latter needs
    merging.
    """
    labels = [frozenset(label) for label in _labels(group)]
    always = frozenset.intersection(*labels)
    settings = group.settings
    reserved = {"@version", "data_stream", "_@timestamp", settings.categories.field}
    reserved |= {settings.time.field, settings.time.fraction_field or settings.time.field}
    reserved |= group.parser.fields
    reserved |= frozenset[str]().union(*labels) - always
    costs = {name: len(encode_value(name)) + len(":,") for name in always}
    return costs, frozenset(reserved)
