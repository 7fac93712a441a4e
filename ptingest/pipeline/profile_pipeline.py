"""The pipeline of a profile, for chunks of payloads: bytes in, documents and outcomes out.

    payload -> decode -> group -> its stages -> encode -> Document | DeadLetter | dropped

Pure, as every pipeline. Common events are processed by the fast path
(``fast/documents.py``), all others by the reference stages (``group.py``), with the same
result.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Sequence
from itertools import repeat
from operator import attrgetter

import msgspec
from msgspec import Raw

from ptingest.model.document import DataStream, Document
from ptingest.model.outcome import DeadLetter, DropReason, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.decode import (
    Decoded,
    Unreadable,
    decode_payload,
    duplicate_keys,
    is_plain,
)
from ptingest.pipeline.encode import encode_body, encode_value
from ptingest.pipeline.fast.cache import LONGEST_VALUE
from ptingest.pipeline.fast.documents import BuiltDocument, FastPath, Tallies, touched_fields
from ptingest.pipeline.fast.events import EventDecoder
from ptingest.pipeline.group import Event, Group, StageResult
from ptingest.pipeline.identity import key_texts
from ptingest.pipeline.interpolate import MISSING, interpolated, value_of
from ptingest.pipeline.labels import LearnedLabels
from ptingest.pipeline.pipeline import OTHER, Explanation, PluginTally
from ptingest.pipeline.sent_event import sent_event
from ptingest.settings.profile import ProfileSettings

LONGEST_NAME = 1024
"""Characters of a data stream's name that a letter shows; a legal one has at most 255."""
LARGE_BYTES = 1 << 20
"""An event of this size is a chunk of its own, and the memory for it is freed afterwards."""
_NO_KEY = bytes(16)


class _Below(msgspec.Struct, gc=False):
    """The part of an event's ``fields`` that matters here."""

    group: Raw = Raw(b"null")


_below = msgspec.json.Decoder(_Below).decode
_service_of = attrgetter("service")


class ProfilePipeline:
    """Implements ``Pipeline`` for a profile in YAML; made by ``compile_profile``."""

    def __init__(self, profile: ProfileSettings, labels: LearnedLabels | None = None) -> None:
        """``labels`` gives services a label where the profile knows none by name."""
        self.profile = profile
        self.groups = {group.group: Group(group, profile) for group in profile.groups}
        self.services: tuple[str, ...] = tuple(
            dict.fromkeys(name for group in profile.groups for name in group.known_services)
        )
        self._known: Container[str] = frozenset(self.services) if labels is None else labels
        usable = {n: group for n, group in self.groups.items() if FastPath.is_usable(group)}
        touched = [touched_fields(group) for group in usable.values()]
        overwritten = {name for costs, _ in touched for name in costs}
        self.reader = EventDecoder(
            usable,
            overwritten=overwritten,
            unlearnable={name for _, reserved in touched for name in reserved},
        )
        self._fast_paths = {
            name: FastPath(group, self._known, self.reader) for name, group in usable.items()
        }
        self._builders = {name: fast_path.make for name, fast_path in self._fast_paths.items()}
        # Nearly always there is one group; comparing its name is faster than a lookup.
        self._first_name = next(iter(usable), "")
        self._first = self._builders.get(self._first_name)

    def process(
        self, payloads: Sequence[bytes], *, receipt: Receipt, peer: str, now_ns: int
    ) -> Processed:
        """Decide the fate of each payload.

        Returns documents in the order of their payloads; every payload is a document, a dead
        letter or counted as dropped. Bad input never raises.
        """
        done = Processed()
        tallies, decode = done.tallies, self.reader.decode
        first_name, first, ways = self._first_name, self._first, self._builders
        made: list[BuiltDocument] = []
        made_of: list[bytes] = []
        # Positions in the list of documents of those that the reference stages made.
        places: list[int] = []
        for payload in payloads:
            found = None
            if payload.isascii() or is_plain(payload):
                try:
                    event = decode(payload)
                    take = first if event.group is first_name else ways.get(event.group)
                    found = take and take(event, None, payload, tallies)
                except (msgspec.MsgspecError, RecursionError):
                    found = self._unusual(payload, tallies)
            if found is not None:
                made.append(found)
                made_of.append(payload)
            else:
                places.append(len(made) + len(done.documents))
                self._slow_path(payload, receipt, peer, now_ns, done)
                if len(done.documents) + len(made) == places[-1]:
                    places.pop()
        if made:
            _complete(done, made, made_of, places, receipt=receipt, peer=peer)
        for service, count in Counter(map(_service_of, done.documents)).items():
            done.received[service] = done.received.get(service, 0) + count
        if len(payloads) == 1 and len(payloads[0]) > LARGE_BYTES:
            for fast_path in self._fast_paths.values():
                fast_path.release()
        return done

    def _unusual(self, payload: bytes, tallies: Tallies) -> BuiltDocument | None:
        """Process an event with other member names or kinds than usual by the fast path."""
        try:
            found = self.reader.decode_loosely(payload)
            if found is None:
                return None
            event, extras = found
            return self._builders[event.group](event, extras, payload, tallies)
        except (msgspec.MsgspecError, RecursionError):
            return None

    @property
    def reads_kafka(self) -> bool:
        """A profile takes the events of any source."""
        return False

    @property
    def outputs(self) -> tuple[str, ...]:
        """None: documents are for every sink."""
        return ()

    @property
    def plugins(self) -> tuple[PluginTally, ...]:
        """None: its stages are no plugins."""
        return ()

    def event_of(self, body: bytes) -> bytes:
        """Return the event that a document was made of; the document itself where it is of no
        group of the profile."""
        decoded = decode_payload(body)
        if isinstance(decoded, Unreadable):
            return body
        group = self._group_of(dict(decoded.event))
        return body if group is None else sent_event(decoded.event, group)

    def label_of(self, service: str) -> str:
        """Return the metric label of a service."""
        return service if service in self._known else OTHER

    def is_for(self, group: str | None) -> bool:
        """Whether the profile has this group."""
        return group in self.groups

    def own_stream(self, group: str, service: str) -> DataStream:
        """Return the data stream of a service's events, whatever else an event says."""
        return self.groups[group].own_stream(service)

    def explain(self, payload: bytes, *, now_ns: int) -> Explanation:
        """Run all stages for one payload and keep every decision."""
        result = self._run_stages(payload, now_ns)
        if result.reason == DropReason.OTHER_GROUP:
            # No filter runs for it, but it has the fields that the Beats input adds.
            next(iter(self.groups.values())).apply_input(result, now_ns)
            result.body = encode_body(result.event)
        return Explanation(
            outcome=result.outcome,
            reason=result.reason,
            detail=result.detail,
            data_stream=result.name,
            document=json.loads(result.body) if result.body else None,
            body=result.body or None,
            key=result.key,
            pattern=result.pattern,
            rule=result.rule,
            notes=tuple(result.notes),
        )

    def _slow_path(
        self, payload: bytes, receipt: Receipt, peer: str, now_ns: int, done: Processed
    ) -> None:
        result = self._run_stages(payload, now_ns)
        service = result.service
        for what in result.notes:
            done.tallies[service, what] = done.tallies.get((service, what), 0) + 1
        if result.outcome == "dropped":
            done.received[service] = done.received.get(service, 0) + 1
            reason = DropReason(result.reason or "")
            done.dropped[service, reason] = done.dropped.get((service, reason), 0) + 1
        elif result.outcome == "dead_letter" or result.data_stream is None:
            done.received[service] = done.received.get(service, 0) + 1
            done.dead_letters.append(
                DeadLetter(
                    reason=result.reason or "",
                    detail=result.detail,
                    payload=payload,
                    service=service,
                    peer=peer,
                    data_stream=result.name and result.name[:LONGEST_NAME],
                    key=result.key,
                )
            )
        else:
            body = result.body
            done.documents.append(
                Document(result.data_stream, body, result.key, receipt, payload, service, peer)
            )

    def _run_stages(self, payload: bytes, now_ns: int) -> StageResult:
        """Process one payload by the reference stages, with its body when there is an event."""
        result = self._decoded_and_staged(payload, now_ns)
        result.body = encode_body(result.event) if result.event else b""
        return result

    def _decoded_and_staged(self, payload: bytes, now_ns: int) -> StageResult:
        decoded = decode_payload(payload)
        if isinstance(decoded, Unreadable):
            return StageResult({}, OTHER).dead(decoded.reason, decoded.detail)
        event: Event = dict(decoded.event)
        marks = self._marks(decoded)
        group = self._group_of(event)
        if group is None:
            result = StageResult(event, self._service_label(event)).dropped(DropReason.OTHER_GROUP)
            result.notes += marks
            return result
        result = group.process(event, marks=marks, now_ns=now_ns)
        if result.service not in self._known:
            result.service = self._service_label(event)
        return result

    def _marks(self, decoded: Decoded) -> tuple[str, ...]:
        marks = decoded.marks
        has_room = len(encode_value(decoded.event)) != len(decoded.payload)
        if has_room and duplicate_keys(decoded.payload, decoded.event):
            marks = (*marks, "duplicate_keys")
        if self._is_one_level_too_low(decoded.event):
            marks = (*marks, "fields_not_under_root")
        return marks

    def _group_of(self, event: Event) -> Group | None:
        """Only exactly the text counts; a list that holds it does not."""
        raw = event.get("group")
        if not isinstance(raw, Raw) or not bytes(raw).startswith(b'"'):
            return None
        return self.groups.get(str(value_of(raw)))

    def _is_one_level_too_low(self, event: dict[str, Raw]) -> bool:
        """Whether Filebeat put our fields under ``fields`` (``fields_under_root`` is off)."""
        below = event.get("fields")
        if below is None or "group" in event or not bytes(below).startswith(b"{"):
            return False
        try:
            group = value_of(_below(below).group)
        except (msgspec.DecodeError, ValueError):  # half a surrogate pair, or none there
            return False
        return isinstance(group, str) and group in self.groups

    def _service_label(self, event: Event) -> str:
        service = event.get("service", MISSING)
        if isinstance(service, Raw) and len(service) > LONGEST_VALUE:
            return OTHER
        text = interpolated(service, placeholder=OTHER)
        return text if text in self._known else OTHER


def _complete(
    done: Processed,
    made: list[BuiltDocument],
    payloads: list[bytes],
    places: list[int],
    *,
    receipt: Receipt,
    peer: str,
) -> None:
    """Make the documents of a chunk, by columns, and insert them between those that are there."""
    streams, bodies, services, keys = zip(*made, strict=True)
    texts: list[str | None] = [*key_texts([key or _NO_KEY for key in keys])]
    if None in keys:
        texts = [key and text for key, text in zip(keys, texts, strict=True)]
    documents = list(
        map(Document, streams, bodies, texts, repeat(receipt), payloads, services, repeat(peer))
    )
    for place, document in zip(places, done.documents, strict=True):
        documents.insert(place, document)
    done.documents = documents
