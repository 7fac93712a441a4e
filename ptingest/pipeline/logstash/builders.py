"""Which of a config's inputs builds the events of a payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ptingest.pipeline.decode import Decoded, Unreadable, decode_payload
from ptingest.pipeline.logstash.beats_input import AsGiven, BeatsInput
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.inputs import Inputs
from ptingest.pipeline.logstash.kafka_input import KafkaInput, SentRecord


class Builder(Protocol):
    """Makes events of payloads, as the inputs of one config do."""

    @property
    def decode(self) -> Callable[[bytes], Decoded | Unreadable]:
        """Decode one payload; bad input is a result."""
        ...

    @property
    def keeps_members(self) -> bool:
        """As ``BeatsInput.keeps_members``."""
        ...

    def events_of(self, sent: Decoded, peer: str, now_ns: int) -> list[Event] | Unreadable:
        """Return the events of what ``decode`` returned."""
        ...


class OneInput:
    """Events of every source are built by one input, also those of records of Kafka."""

    def __init__(self, source: BeatsInput | AsGiven) -> None:
        self.decode = decode_payload
        self.keeps_members, self.events_of = source.keeps_members, source.events_of


class BeatsAndKafka:
    """Records of Kafka are built by their own input, and so is all else where there is no other."""

    def __init__(self, beats: BeatsInput | None, kafka: KafkaInput) -> None:
        self._beats, self._kafka = beats, kafka
        self.keeps_members = False
        """A record has metadata of its own."""

    def decode(self, payload: bytes) -> Decoded | Unreadable:
        """As ``Builder.decode``."""
        found = self._kafka.sent(payload, is_any=self._beats is None)
        return decode_payload(payload) if found is None else found

    def events_of(self, sent: Decoded, peer: str, now_ns: int) -> list[Event] | Unreadable:
        """As ``Builder.events_of``."""
        if isinstance(sent, SentRecord):
            return self._kafka.events_of(sent, now_ns=now_ns)
        assert self._beats is not None
        return self._beats.events_of(sent, peer, now_ns)


def builder_of(inputs: Inputs, *, is_bare: bool, has_ecs: bool) -> Builder:
    """Return what builds the events of a config; ``is_bare``: payloads are events as they are."""
    beats = None if inputs.beats is None else inputs.beats.builder
    if inputs.kafka is not None:
        return BeatsAndKafka(beats, inputs.kafka.builder)
    return OneInput(AsGiven() if is_bare else beats or BeatsInput(has_ecs=has_ecs))
