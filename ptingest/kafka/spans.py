"""Reads stretches of partitions between two times, as a member of no group.

Calls block; they are made from one thread at a time. Nothing is committed, so that groups which
read the same topics are not touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ptingest.errors import KafkaLeaderless, KafkaReadFailed
from ptingest.kafka.package import confluent_kafka, usable
from ptingest.kafka.polled import KafkaRecord, Partition, read_failed, record_of

if TYPE_CHECKING:
    from confluent_kafka import Consumer

REQUEST_SECONDS = 15.0
PROPERTIES: Mapping[str, object] = {
    # The library asks for one; no group of this name is ever joined.
    "group.id": "ptingest-replay",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "log_level": 0,
}


PASSING = frozenset(
    {
        "LEADER_NOT_AVAILABLE",
        "NOT_LEADER_FOR_PARTITION",
        "REPLICA_NOT_AVAILABLE",
        "OFFSET_NOT_AVAILABLE",
        "REQUEST_TIMED_OUT",
        "_UNKNOWN_PARTITION",  # one that the brokers list, and none of them leads
        "_LEADER_NOT_AVAILABLE",
        "_TIMED_OUT",
        "_TRANSPORT",
        "_ALL_BROKERS_DOWN",
    }
)
"""Names of errors that end by themselves, of partitions that are there."""


class Span(NamedTuple):
    """Offsets of one partition, ``end`` not included."""

    first: int
    end: int


class Gap(NamedTuple):
    """Records that were to be read and are gone, ``end`` not included."""

    partition: Partition
    first: int
    end: int


class Stretch(NamedTuple):
    """What one call of ``read`` brought."""

    records: list[KafkaRecord]
    ended: list[Partition]
    """Nothing more of these comes."""
    gaps: list[Gap]


class SpanReader:
    """Reads spans of partitions in order."""

    def __init__(self, properties: Mapping[str, object]) -> None:
        """Raises KafkaUnusable where the library is missing or takes no such properties."""
        self.trouble: str | None = None
        """Why no broker answers; None where one does."""
        self._spans: dict[Partition, Span] = {}
        self._to_place: dict[Partition, Span] = {}
        """Those of which the first record is gone, and what is there not known yet."""
        with usable():
            settings = {**PROPERTIES, **properties, "error_cb": self._on_error}
            self._client: Consumer = confluent_kafka().Consumer(settings)

    def spans(
        self, topics: Sequence[str], since_millis: int, until_millis: int | None
    ) -> dict[Partition, Span]:
        """Return what was written from one time until another, else until now.

        ``topics`` are names, or patterns that begin with ``^``. Partitions without a record in
        that time are left out.

        Raises:
            KafkaLeaderless: a partition has no leader now, or its broker does not answer.
            KafkaReadFailed: a topic does not exist, or no broker answers at all.
        """
        partitions = self._partitions(topics)
        first = self._offsets_at(partitions, since_millis)
        end = {} if until_millis is None else self._offsets_at(partitions, until_millis)
        found = {}
        for one in partitions:
            last = end.get(one)
            span = Span(*self._within(one, first.get(one), last))
            if span.first < span.end:
                found[one] = span
        return found

    def begin(self, spans: Mapping[Partition, Span]) -> None:
        """Read these from now on."""
        self._spans = dict(spans)
        library = confluent_kafka()
        self._client.assign(
            [library.TopicPartition(*one, span.first) for one, span in self._spans.items()]
        )

    def read(self, seconds: float, most: int) -> Stretch:
        """Wait up to ``seconds`` for records, and return at most ``most``.

        Raises:
            KafkaReadFailed: nothing more can be read.
        """
        stretch = Stretch([], [], [])
        for one in list(self._to_place):
            self._place(one, stretch)
        messages: list[Any] = self._client.consume(most, seconds)
        for message in messages:
            one = Partition(message.topic(), message.partition())
            span = self._spans.get(one)
            error = message.error()
            if span is None:
                continue  # it has ended, and was fetched before that was known
            self.trouble = None
            if error is not None:
                self._take_error(one, span, error, stretch)
            elif message.offset() >= span.end:
                self._end(one, stretch)
            else:
                self._take(one, span, message, stretch)
        return stretch

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _take(self, one: Partition, span: Span, message: Any, stretch: Stretch) -> None:
        offset = message.offset()
        stretch.records.append(record_of(message))
        self._spans[one] = span._replace(first=offset + 1)
        if offset + 1 >= span.end:
            self._end(one, stretch)

    def _end(self, one: Partition, stretch: Stretch) -> None:
        del self._spans[one]
        stretch.ended.append(one)
        self._client.incremental_unassign([confluent_kafka().TopicPartition(*one)])

    def _take_error(self, one: Partition, span: Span, error: Any, stretch: Stretch) -> None:
        if error.name() == "_PARTITION_EOF":
            # What is missing before the end is no record of ours: transactions leave such gaps.
            self._end(one, stretch)
        elif error.name() == "_AUTO_OFFSET_RESET":
            self._to_place[one] = span
            self._place(one, stretch)
        else:
            raise read_failed(error, f"{one.topic}/{one.number}: ")

    def _place(self, one: Partition, stretch: Stretch) -> None:
        """Read on at what is still there of a span; later, where that is not known yet."""
        span = self._to_place[one]
        try:
            first, end = self._within(one, span.first, span.end)
        except KafkaLeaderless as error:
            self.trouble = str(error)
            return
        del self._to_place[one]
        stretch.gaps.append(Gap(one, span.first, min(first, span.end)))
        self._end(one, stretch)
        if first < end:
            self._spans[one] = Span(first, end)
            stretch.ended.remove(one)
            self._client.incremental_assign([confluent_kafka().TopicPartition(*one, first)])

    def _partitions(self, topics: Sequence[str]) -> list[Partition]:
        with _answered():
            known = self._client.list_topics(timeout=REQUEST_SECONDS).topics
        names = []
        for topic in topics:
            if topic.startswith("^"):
                names += [name for name in known if re.search(topic, name)]
            elif topic in known and known[topic].error is None:
                names.append(topic)
            else:
                raise KafkaReadFailed("UNKNOWN_TOPIC_OR_PART", f"there is no topic {topic}")
        return [
            Partition(name, number)
            for name in dict.fromkeys(names)
            for number in sorted(known[name].partitions)
        ]

    def _offsets_at(self, partitions: Sequence[Partition], millis: int) -> dict[Partition, int]:
        """The first offset of each that is not older; none where all are."""
        library = confluent_kafka()
        asked = [library.TopicPartition(*one, millis) for one in partitions]
        with _led("not all of the topic has a leader"):
            found = self._client.offsets_for_times(asked, timeout=REQUEST_SECONDS)
            for one in found:
                if one.error is not None:
                    raise confluent_kafka().KafkaException(one.error)
        return {Partition(one.topic, one.partition): one.offset for one in found if one.offset >= 0}

    def _within(self, one: Partition, first: int | None, end: int | None) -> tuple[int, int]:
        """What is still there of a span; without ``first`` nothing, without ``end`` up to now."""
        place = confluent_kafka().TopicPartition(*one)
        with _led(f"{one.topic}/{one.number}"):
            low, high = self._client.get_watermark_offsets(place, timeout=REQUEST_SECONDS)
        last = high if end is None else min(end, high)
        return (last if first is None else max(first, low)), last

    def _on_error(self, error: Any) -> None:
        if error.name() in ("_ALL_BROKERS_DOWN", "_TRANSPORT", "_AUTHENTICATION", "_SSL"):
            self.trouble = error.str()


@contextmanager
def _answered() -> Iterator[None]:
    """Raise KafkaReadFailed where the client library says that a question has no answer."""
    try:
        yield
    except confluent_kafka().KafkaException as error:
        raise read_failed(error.args[0]) from None


@contextmanager
def _led(what: str) -> Iterator[None]:
    """Raise KafkaLeaderless where brokers do not know yet, KafkaReadFailed where they refuse."""
    try:
        yield
    except confluent_kafka().KafkaException as error:
        reason = error.args[0]
        kind = KafkaLeaderless if reason.name() in PASSING else KafkaReadFailed
        raise kind(reason.name(), f"{what}: {reason.str()}") from None
