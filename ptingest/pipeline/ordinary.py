"""The short way for usual events, with the same result as the long one in ``group.py``.

Usual is: valid UTF-8, ``message`` a string, a legal service seen before, and none of the
fields there that the stages would have to merge with. Then the body is the event's own
bytes with ours appended, and nothing is decoded but what the key needs. Whatever is not
certain gets None and takes the long way; a property test holds the two ways equal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ptingest.model.document import DataStream, Document
from ptingest.model.receipt import Receipt
from ptingest.pipeline.decode import MAX_NUMBER_LENGTH, decode_event, holds_long_number
from ptingest.pipeline.encode import encode_value
from ptingest.pipeline.group import CODEC_TAG, DATE_TAG, Group, tagged
from ptingest.pipeline.identity import event_key
from ptingest.pipeline.line import FINE, NO_DATE, NO_MATCH, Line, LineReader
from ptingest.pipeline.route import illegal_name, is_unresolved, mended_dataset
from ptingest.pipeline.timestamps import instant_text, read_event_time

CACHED_VALUES = 4096
"""Services, tag lists and times remembered for each group; beyond it a cache starts anew."""

Tallies = dict[tuple[str, str], int]

_decode_text = msgspec.json.Decoder(str).decode
_decode_tags = msgspec.json.Decoder(list[str]).decode
_QUOTE = ord('"')
# What a member adds to its payload beside its value: the quoted key, a colon, a comma.
_TIMESTAMP_COST = len('"@timestamp":,')
_METADATA_COST = len('"@metadata":,')
_TAGS_COST = len('"tags":,')
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


class Ordinary:
    """Decides usual events of one group; remembers services, tags and times seen."""

    def __init__(self, group: Group, known_services: frozenset[str]) -> None:
        self._group = group
        self._known = known_services
        self._overwritten, self._reserved = _touched_fields(group)
        module = b",".join(
            encode_value(path.partition(".")[2]) + b":" + encode_value(text)
            for path, text in group.settings.fields.items()
        )
        policy = group.profile.event_original
        self._keeps = (policy == "keep", policy != "drop", policy != "drop")
        self._with_original = b',"event":{"original":', b"," * bool(module) + module + b'},"tags":'
        self._without_original = b',"event":{' + module + b"}" if module else b""
        self._without_original += b',"tags":'
        self._lines = LineReader(group)
        self._routes: dict[bytes, Route | None] = {}
        self._tags: dict[bytes, tuple[bytes, ...] | None] = {}
        self._times: dict[bytes, SentTime | None] = {}

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

    def document(
        self,
        event: dict[str, Raw],
        payload: bytes,
        original: bytes,
        receipt: Receipt,
        peer: str,
        tallies: Tallies,
    ) -> Document | None:
        """Return the event's document, or None to have it take the long way.

        ``payload`` is what ``event`` was decoded from, ``original`` what the Beat sent.
        """
        raw_message = event.get("message")
        if raw_message is None or not self._reserved.isdisjoint(event):
            return None
        raw = bytes(raw_message)
        route = self._route(event.get("service"))
        if route is None or raw[0] != _QUOTE:
            return None
        sent = event.pop("@timestamp", None)
        tags = event.pop("tags", None)
        rest = self._untouched(event, payload, sent, tags)
        if rest is None:
            return self._without_spaces(payload, original, receipt, peer, tallies)
        encoded_tags = self._encoded_tags(tags)
        message = str(raw[1:-1], "utf-8") if b"\\" not in raw else _decode_text(raw)
        line = self._lines.read(raw, message)
        printed, time_text, millis = line.printed, line.time_text, line.millis
        if printed is None or time_text is None:
            time = self._sent_time(sent)
            if time is None:
                return None
            printed = time.printed if printed is None else printed
            if time_text is None:
                time_text, millis = time.text, time.millis
        if encoded_tags is None:
            return None
        body = self._body(rest, raw, printed, encoded_tags[line.state], line, route)
        key = event_key(
            agent=event.get("agent"),
            host=event.get("host"),
            log=event.get("log"),
            message=message,
            time_text=time_text,
            millis=millis,
        )
        if line.state != FINE or line.is_loose:
            self._tally(line, route.service, tallies)
        return Document(route.data_stream, body, key, receipt, original, route.service, peer)

    def _untouched(
        self, event: dict[str, Raw], payload: bytes, sent: Raw | None, tags: Raw | None
    ) -> bytes | None:
        """Encode the members that stay as they are, or None when something went missing.

        The lengths of all members add up to the payload's exactly when it had no space
        between tokens and no key twice.
        """
        length = 0 if sent is None else _TIMESTAMP_COST + len(sent)
        metadata = event.pop("@metadata", None)
        if metadata is not None:
            length += _METADATA_COST + len(metadata)
        if tags is not None:
            length += _TAGS_COST + len(tags)
        for name, cost in self._overwritten:
            value = event.pop(name, None)
            if value is not None:
                length += cost + len(value)
        rest = encode_value(event)
        if length + len(rest) != len(payload) or b"\n" in rest:
            return None
        if len(payload) > MAX_NUMBER_LENGTH and holds_long_number(payload, event):
            return None
        return rest

    def _without_spaces(
        self, payload: bytes, original: bytes, receipt: Receipt, peer: str, tallies: Tallies
    ) -> Document | None:
        """Try again without the spaces between tokens; the second time there are none."""
        compact = msgspec.json.format(payload, indent=-1)
        if len(compact) == len(payload):
            return None
        return self.document(decode_event(compact), compact, original, receipt, peer, tallies)

    def _body(
        self, rest: bytes, raw: bytes, printed: bytes, tags: bytes, line: Line, route: Route
    ) -> bytes:
        head = b'%b,"@version":"1","@timestamp":"%b"' % (rest[:-1], printed)
        if self._keeps[line.state]:
            before, after = self._with_original
            return b"".join((head, before, raw, after, tags, line.fields, route.ending))
        return b"".join((head, self._without_original, tags, line.fields, route.ending))

    @staticmethod
    def _tally(line: Line, service: str, tallies: Tallies) -> None:
        notes = [_NOTES[line.state]] if line.state in _NOTES else []
        for what in [*notes, "loose_match"] if line.is_loose else notes:
            tallies[service, what] = tallies.get((service, what), 0) + 1

    # --- what was seen before -------------------------------------------------------------

    def _route(self, raw: Raw | None) -> Route | None:
        if raw is None:
            return None
        service = bytes(raw)
        try:
            return self._routes[service]
        except KeyError:
            _make_room(self._routes)
            route = self._routes[service] = self._new_route(service)
            return route

    def _new_route(self, service: bytes) -> Route | None:
        """Find where a service goes; None for all but a plain, legal, allowed one."""
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

    def _encoded_tags(self, raw: Raw | None) -> tuple[bytes, ...] | None:
        """Tags by state (fine, no match, no date); None for all but a list of strings."""
        sent = b"[]" if raw is None else bytes(raw)
        try:
            return self._tags[sent]
        except KeyError:
            _make_room(self._tags)
            encoded = self._tags[sent] = self._new_tags(sent)
            return encoded

    def _new_tags(self, sent: bytes) -> tuple[bytes, ...] | None:
        try:
            tags = _decode_tags(sent)
        except msgspec.DecodeError:
            return None
        failure_tag = self._group.settings.failure_tag
        fine = tagged(tags, CODEC_TAG)
        if failure_tag in fine:
            return None
        states = (fine, tagged(fine, failure_tag), tagged(fine, DATE_TAG))
        return tuple(encode_value(state) for state in states)

    def _sent_time(self, raw: Raw | None) -> SentTime | None:
        if raw is None:
            return None
        sent = bytes(raw)
        try:
            return self._times[sent]
        except KeyError:
            _make_room(self._times)
            time = self._times[sent] = _new_sent_time(sent)
            return time


def _new_sent_time(sent: bytes) -> SentTime | None:
    if sent[0] != _QUOTE:
        return None
    text = _decode_text(sent)
    instant = read_event_time(text)
    if instant is None:
        return None
    return SentTime(text, instant_text(instant).encode("ascii"), instant.millis)


def _make_room(cache: dict[bytes, Any]) -> None:
    if len(cache) >= CACHED_VALUES:
        cache.clear()


def _labels(group: Group) -> list[dict[str, str]]:
    categories = group.settings.categories
    return [*(rule.set for rule in categories.rules), categories.otherwise]


def _touched_fields(group: Group) -> tuple[tuple[tuple[str, int], ...], frozenset[str]]:
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
    costs = tuple((name, len(encode_value(name)) + len(":,")) for name in sorted(always))
    return costs, frozenset(reserved)
