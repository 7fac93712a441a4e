"""Traffic samples: facts about the traffic that no counter can hold.

Which lines match no pattern, masked, and which pattern came closest; when each service last
sent events, and how old the events were then. A few samples a second at most, and never event
text: everything kept here is shown in /status.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import msgspec

from ptingest.model.document import LARGE_BYTES, Document
from ptingest.model.outcome import Processed
from ptingest.pipeline.identity import TIME_CHARACTERS
from ptingest.pipeline.shapes import Near, Nearness, shape
from ptingest.settings.profiles import Profile, groups_of

SAMPLE_EVERY_SECONDS = 1.0
"""Minimum interval between two samples of one service's failures."""
SAMPLED_AT_ONCE = 4
SHAPES_KEPT = 32
"""Shapes kept for each service; when there are more, the rarer half is forgotten."""
SHAPES_SHOWN = 12
FAILURE_TAG = "_grokparsefailure"
"""The tag of grok unless a ``logstash.conf`` gives another one."""


class _MessageAndGroup(msgspec.Struct):
    message: str = ""
    group: str = ""


_decode = msgspec.json.Decoder(_MessageAndGroup).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The exception that msgspec raises for a payload of which the pipeline still made a document."""


class TrafficWatch:
    """Examines each chunk after it was processed; owned by the flow."""

    def __init__(self, profile: Profile) -> None:
        self._follow(profile)
        self._shapes: dict[str, Counter[tuple[str, Near | None]]] = {}
        self._sampled: Counter[str] = Counter()
        self._sampled_at: dict[str, int] = {}
        self._heard_ns: dict[str, int] = {}
        self._last: dict[str, tuple[str | None, int]] = {}
        """Of each service, the key of the last document and when it came."""

    def _follow(self, profile: Profile) -> None:
        self._profile = profile
        groups = groups_of(profile)
        self._groups = {group.group: group for group in groups}
        tags = {group.failure_tag.encode() for group in groups} or {FAILURE_TAG.encode()}
        self._tags = tuple(tags)
        self._nearness: dict[str, Nearness] = {}

    def look(self, processed: Processed, profile: Profile, now_ns: int) -> None:
        """Note what one chunk shows; costs about a microsecond unless a sample is due."""
        if profile is not self._profile:
            self._follow(profile)  # after a reload
        for service in processed.received:
            self._heard_ns[service] = now_ns
        if processed.documents:
            last = processed.documents[-1]
            self._last[last.service] = last.key, now_ns
        for service, what in processed.tallies:
            if what == "grok_failure" and self._is_due(service, now_ns):
                self._sample(service, processed.documents)

    def _is_due(self, service: str, now_ns: int) -> bool:
        due = self._sampled_at.get(service, 0) + int(SAMPLE_EVERY_SECONDS * 1e9)
        if now_ns < due:
            return False
        self._sampled_at[service] = now_ns
        return True

    def _sample(self, service: str, documents: Iterable[Document]) -> None:
        failed = (
            document
            for document in documents
            if document.service == service
            # A large event was processed elsewhere, so that it does not block the loop.
            and len(document.payload) <= LARGE_BYTES
            and any(tag in document.body for tag in self._tags)
        )
        counter = self._shapes.setdefault(service, Counter())
        for document in islice(failed, SAMPLED_AT_ONCE):
            try:
                sent = _decode(document.payload)
            except _UNREADABLE:
                continue  # a message that is not text has no shape
            self._sampled[service] += 1
            counter[shape(sent.message), self._nearest(sent)] += 1
        if len(counter) > SHAPES_KEPT:
            self._shapes[service] = Counter(dict(counter.most_common(SHAPES_KEPT // 2)))

    def _nearest(self, sent: _MessageAndGroup) -> Near | None:
        group = self._groups.get(sent.group)
        if group is None:
            return None
        if sent.group not in self._nearness:
            self._nearness[sent.group] = Nearness(group.patterns, with_packaged=True)
        return self._nearness[sent.group].nearest(sent.message)

    def status(self, now_ns: int) -> dict[str, object]:
        """The part of /status about services."""
        return {service: self._row(service, now_ns) for service in self._heard_ns}

    def _row(self, service: str, now_ns: int) -> dict[str, object]:
        lag = _lag_seconds(*self._last.get(service, (None, 0)))
        shapes = self._shapes.get(service, Counter())
        return {
            "heard_seconds_ago": round((now_ns - self._heard_ns[service]) / 1e9, 1),
            "last_lag_seconds": None if lag is None else round(lag, 1),
            "unmatched": {
                "sampled": self._sampled[service],
                "shapes": [
                    {
                        "shape": text,
                        "sampled": count,
                        "nearest_pattern": near.pattern if near else None,
                        "missing": near.missing if near else None,
                        "is_off": near is not None and near.is_off,
                    }
                    for (text, near), count in shapes.most_common(SHAPES_SHOWN)
                ],
            },
        }


def _lag_seconds(key: str | None, came_ns: int) -> float | None:
    """Return how old an event was when it came, by its document's key; None where unknown."""
    try:
        millis = int.from_bytes(base64.urlsafe_b64decode((key or "")[:TIME_CHARACTERS]))
    except (binascii.Error, ValueError):
        return None  # a requeued letter's own id
    return came_ns / 1e9 - millis / 1e3 if millis else None
