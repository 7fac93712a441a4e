"""The short way for usual events, with the same result as the long one in ``group.py``.

Usual is: valid UTF-8, ``message`` a string, a legal service seen before, and none of the
fields there that the stages would have to merge with. Then the body is the event's own
bytes with ours appended, and nothing is decoded but what the key needs. Whatever is not
certain gets None and takes the long way; a property test holds the two ways equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ptingest.model.document import DataStream, Document
from ptingest.model.receipt import Receipt
from ptingest.pipeline.decode import MAX_NUMBER_LENGTH, decode_event, holds_long_number
from ptingest.pipeline.encode import encode_into, encode_value
from ptingest.pipeline.group import CODEC_TAG, DATE_TAG, Group, tagged
from ptingest.pipeline.identity import event_key
from ptingest.pipeline.line import FINE, NO_DATE, NO_MATCH, Line, LineReader
from ptingest.pipeline.route import illegal_name, is_unresolved, mended_dataset
from ptingest.pipeline.timestamps import instant_text, read_event_time

CACHED_VALUES = 4096
"""Services, tag lists and times remembered for each group; beyond it a cache starts anew."""
LONGEST_VALUE = 1024
"""Bytes; longer ones are not remembered, so that caches stay small."""

Tallies = dict[tuple[str, str], int]

_decode_text = msgspec.json.Decoder(str).decode
_decode_tags = msgspec.json.Decoder(list[str]).decode
_QUOTE, _BACKSLASH, _NEWLINE = b'"\\\n'
_VERSION = b',"@version":"1","@timestamp":"'
# What a member adds to its payload beside its value: the quoted key, a colon, a comma.
_TIMESTAMP_COST = len('"@timestamp":,')
_METADATA_COST = len('"@metadata":,')
_TAGS_COST = len('"tags":,')
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


class SentTime(NamedTuple):
    """Filebeat's time: as it came, as Logstash prints it, and in milliseconds."""

    text: str
    printed: bytes
    millis: int


ShortWay = Callable[[dict[str, Raw], bytes, bytes, Receipt, str, Tallies], Document | None]
"""Takes an event, what it was decoded from, what the Beat sent, receipt, peer and tallies;
gives the event's document, or None to have it take the long way."""


class Ordinary:
    """Decides usual events of one group; remembers services, tags and times seen."""

    def __init__(self, group: Group, known_services: frozenset[str]) -> None:
        self._overwritten, reserved = touched_fields(group)
        self._is_free = reserved.isdisjoint
        module = b",".join(
            encode_value(path.partition(".")[2]) + b":" + encode_value(text)
            for path, text in group.settings.fields.items()
        )
        policy = group.profile.event_original
        self._keeps = (policy == "keep", policy != "drop", policy != "drop")
        self._with_original = b'","event":{"original":', b"," * bool(module) + module + b'},"tags":'
        self._without_original = b'","event":{' + module + b"}" if module else b'"'
        self._without_original += b',"tags":'
        # Encoded into the same buffer each time: fresh memory for a kilobyte costs more
        # than encoding it does.
        self._rest = bytearray()
        self._lines = LineReader(group)
        self._routes = _Routes(group, known_services)
        self._tags = _Tags(group.settings.failure_tag)
        self._no_tags = self._tags[b"[]"]
        self._times = _SentTimes()
        self.document = self._make()

    @staticmethod
    def is_usable(group: Group) -> bool:
        """Whether the group's fields never meet each other, so that none is written twice."""
        captured = group.parser.fields
        constants = set(group.settings.fields)
        labels = {name for label in _labels(group) for name in label}
        return (
            not (captured & labels)
            and all(path.startswith("event.") for path in constants)
            and "line" not in captured | labels
        )

    def _make(self) -> ShortWay:  # noqa: C901 - counts the one it holds
        """Return the short way in one piece: what it needs is bound once, not looked up at
        each event, and a call more would cost every event.
        """
        overwritten, rest = tuple(self._overwritten.items()), self._rest
        is_free, routes, tags_of, times = self._is_free, self._routes, self._tags, self._times
        read, keeps, no_tags = self._lines.read, self._keeps, self._no_tags
        (before, after), without = self._with_original, self._without_original

        def document(  # noqa: C901 - in one piece on purpose
            event: dict[str, Raw],
            payload: bytes,
            original: bytes,
            receipt: Receipt,
            peer: str,
            tallies: Tallies,
        ) -> Document | None:
            get, pop = event.get, event.pop
            raw_message, raw_service = get("message"), get("service")
            if raw_message is None or raw_service is None or not is_free(event):
                return None
            raw = bytes(raw_message)
            route = routes[bytes(raw_service)]
            if route is None or raw[0] != _QUOTE:
                return None
            service, data_stream, ending = route
            # The lengths of all members add up to the payload's exactly when it had no space
            # between tokens and no key twice.
            left = len(payload)
            if (sent := pop("@timestamp", None)) is not None:
                left -= _TIMESTAMP_COST + len(sent)
            if (metadata := pop("@metadata", None)) is not None:
                left -= _METADATA_COST + len(metadata)
            states: tuple[bytes, ...] | None = no_tags
            if (tags := pop("tags", None)) is not None:
                left -= _TAGS_COST + len(tags)
                states = tags_of[bytes(tags)]
            for name, cost in overwritten:
                if name in event:
                    left -= cost + len(pop(name))
            encode_into(event, rest)
            if left != len(rest) or _NEWLINE in rest:
                return self._without_spaces(payload, original, receipt, peer, tallies)
            if len(payload) > MAX_NUMBER_LENGTH and holds_long_number(payload, event):
                return None
            message = _decode_text(raw) if _BACKSLASH in raw else raw[1:-1].decode()
            found = read(raw, message)
            line: Line | None = found
            if not (found.printed and found.time_text):
                line = _with_sent_time(found, None if sent is None else times[bytes(sent)])
            if states is None or line is None:
                return None
            state, printed, time_text = line.state, line.printed or b"", line.time_text
            # Without the brace that closes them.
            rest.pop()
            pieces: tuple[bytes | bytearray, ...] = (
                (rest, _VERSION, printed, before, raw, after, states[state], line.fields, ending)
                if keeps[state]
                else (rest, _VERSION, printed, without, states[state], line.fields, ending)
            )
            body = b"".join(pieces)
            key = event_key(get("agent"), get("host"), get("log"), message, time_text, line.millis)
            if state != FINE or line.is_loose:
                _tally(line, service, tallies)
            return Document(data_stream, body, key, receipt, original, service, peer)

        return document

    def _without_spaces(
        self, payload: bytes, original: bytes, receipt: Receipt, peer: str, tallies: Tallies
    ) -> Document | None:
        """Try again without the spaces between tokens; the second time there are none."""
        compact = msgspec.json.format(payload, indent=-1)
        if len(compact) == len(payload):
            return None
        return self.document(decode_event(compact), compact, original, receipt, peer, tallies)


def _with_sent_time(line: Line, sent: SentTime | None) -> Line | None:
    """Complete what a line does not tell of its time with what Filebeat says."""
    if sent is None:
        return None
    is_dated = line.time_text is not None
    return Line(
        line.state,
        line.fields,
        line.printed or sent.printed,
        line.time_text if is_dated else sent.text,
        line.millis if is_dated else sent.millis,
        line.is_loose,
    )


def _tally(line: Line, service: str, tallies: Tallies) -> None:
    notes = [_NOTES[line.state]] if line.state in _NOTES else []
    for what in [*notes, "loose_match"] if line.is_loose else notes:
        tallies[service, what] = tallies.get((service, what), 0) + 1


# --- what was seen before -----------------------------------------------------------------


class _Routes(dict[bytes, Route | None]):
    """Where services go; None for all but plain, legal, allowed ones."""

    def __init__(self, group: Group, known: frozenset[str]) -> None:
        self._group = group
        self._known = known

    def __missing__(self, service: bytes) -> Route | None:
        route = self._find(service)
        _remember(self, service, route)
        return route

    def _find(self, service: bytes) -> Route | None:
        if service[0] != _QUOTE:
            return None
        text = _decode_text(service)
        settings, profile = self._group.settings, self._group.profile
        dataset = mended_dataset(text, profile.sanitise_names)
        stream = DataStream(settings.data_stream.type, dataset, settings.data_stream.namespace)
        if text in ("", "false") or is_unresolved(stream.name) or illegal_name(stream.name):
            return None
        if settings.only_known_services and text not in self._group.known_services:
            return None
        ending = b',"data_stream":%b}' % encode_value(stream)
        return Route(text if text in self._known else "other", stream, ending)


class _Tags(dict[bytes, tuple[bytes, ...] | None]):
    """Encoded tags by state (fine, no match, no date); None for all but a list of strings."""

    def __init__(self, failure_tag: str) -> None:
        self._failure_tag = failure_tag

    def __missing__(self, sent: bytes) -> tuple[bytes, ...] | None:
        states = self._encode(sent)
        _remember(self, sent, states)
        return states

    def _encode(self, sent: bytes) -> tuple[bytes, ...] | None:
        try:
            tags = _decode_tags(sent)
        except msgspec.DecodeError:
            return None
        fine = tagged(tags, CODEC_TAG)
        if self._failure_tag in fine:
            return None
        states = (fine, tagged(fine, self._failure_tag), tagged(fine, DATE_TAG))
        return tuple(encode_value(state) for state in states)


class _SentTimes(dict[bytes, SentTime | None]):
    """Filebeat's times seen; None for what cannot be read."""

    def __init__(self) -> None:
        self._minutes: dict[bytes, int | None] = {}

    def __missing__(self, sent: bytes) -> SentTime | None:
        time = self._usual(sent) or self._read(sent)
        _remember(self, sent, time)
        return time

    def _usual(self, sent: bytes) -> SentTime | None:
        """Read the form Filebeat writes, which prints as it came; most of it is the minute."""
        found = _USUAL_TIME(sent)
        if found is None:
            return None
        minute, rest = found.groups()
        if minute not in self._minutes:
            of_minute = self._read(minute + b':00.000Z"')
            # 24:00 and the 30th of February are read, and printed as another minute.
            as_it_came = minute[1:] + b":00.000Z"
            is_plain = of_minute is not None and of_minute.printed == as_it_came
            _remember(self._minutes, minute, of_minute.millis if is_plain and of_minute else None)
        millis = self._minutes[minute]
        if millis is None:
            return None
        return SentTime(
            sent[1:-1].decode("ascii"), sent[1:-1], millis + int(rest[:2]) * 1000 + int(rest[3:])
        )

    @staticmethod
    def _read(sent: bytes) -> SentTime | None:
        if sent[0] != _QUOTE:
            return None
        text = _decode_text(sent)
        instant = read_event_time(text)
        if instant is None:
            return None
        return SentTime(text, instant_text(instant).encode("ascii"), instant.millis)


def _remember(cache: dict[bytes, Any], key: bytes, value: object) -> None:
    if len(key) > LONGEST_VALUE:
        return
    if len(cache) >= CACHED_VALUES:
        cache.clear()
    cache[key] = value


def _labels(group: Group) -> list[dict[str, str]]:
    categories = group.settings.categories
    return [*(rule.set for rule in categories.rules), categories.otherwise]


def touched_fields(group: Group) -> tuple[dict[str, int], frozenset[str]]:
    """Fields that every label sets, with what they cost, and those that must not be there.

    The former are overwritten whatever the Beat sent; an event with one of the latter
    needs merging.
    """
    labels = [frozenset(label) for label in _labels(group)]
    always = frozenset.intersection(*labels)
    settings = group.settings
    reserved = {"@version", "data_stream", "event", "_@timestamp", settings.categories.field}
    reserved |= {settings.time.field, settings.time.fraction_field or settings.time.field}
    reserved |= group.parser.fields
    reserved |= frozenset[str]().union(*labels) - always
    costs = {name: len(encode_value(name)) + len(":,") for name in always}
    return costs, frozenset(reserved)
