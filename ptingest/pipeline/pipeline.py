"""What every pipeline offers, whatever its rules are written in.

    payload -> decode -> the profile's rules -> encode -> Document | DeadLetter | dropped

A profile in YAML is run by ``ProfilePipeline``, a ``logstash.conf`` by ``LogstashPipeline``;
``compile_profile`` chooses. Nothing else in the server knows which of the two is at work.

Pipelines are pure: no clock, no log, no metric; notes are returned with the result and
``now_ns`` is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from ptingest.model.document import DataStream
from ptingest.model.outcome import DeadLetter, Processed
from ptingest.model.receipt import Receipt
from ptingest.settings.profiles import Profile

OTHER = "other"
"""The label of services that have no label of their own."""

Outcome = Literal["indexed", "dropped", "dead_letter"]


class ExplainedEvent(NamedTuple):
    """One event that left the filters of a ``logstash.conf``."""

    body: bytes
    """The document as the sinks would get it."""
    metadata: bytes
    """Its ``@metadata``, as JSON."""
    targets: tuple[str, ...]
    """Names of the data streams and indices that it goes to."""


class Passage(NamedTuple):
    """One condition or filter of a ``logstash.conf`` that an event went through."""

    place: str
    """File, line and column."""
    text: str
    """``grok``, or ``if [type] == "nginx"``."""
    outcome: str


class PluginTally(NamedTuple):
    """What one filter of a ``logstash.conf`` has done since it was compiled."""

    id: str
    """The plugin's own ``id``, else its name and place."""
    name: str
    events_in: int
    events_out: int
    failures: int
    """Events that it tagged with a failure."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result for one payload, for people: the answer of ``ptingest try``."""

    outcome: Outcome
    reason: str | None
    """Short label when the event is not indexed."""
    detail: str
    """The reason as a sentence."""
    data_stream: str | None
    """The name that Logstash would have written to, also when it is illegal; of several targets
    all names, with a comma between them."""
    document: dict[str, Any] | None
    """The event after all stages, also when it is not indexed; None when there is none. The
    first one, where filters made several."""
    body: bytes | None
    """The document as the sinks would get it, with number texts unchanged."""
    key: str | None
    pattern: str | None
    """Name of the pattern that matched."""
    rule: str | None
    """The category rule that matched: its number and its names."""
    notes: tuple[str, ...]
    """Notes: what was tagged or mended."""
    events: tuple[ExplainedEvent, ...] = ()
    """Of a ``logstash.conf``: every event that left its filters."""
    passages: tuple[Passage, ...] = ()
    """Of a ``logstash.conf``: the way through its conditions and filters."""


class Pipeline(Protocol):
    """Compiled rules, shared by all connections of a process."""

    @property
    def profile(self) -> Profile:
        """The rules that it was compiled from."""
        ...

    @property
    def services(self) -> Sequence[str]:
        """Services that the rules name."""
        ...

    @property
    def outputs(self) -> Sequence[str]:
        """The sink that each output of a ``logstash.conf`` names; nothing where documents are for
        every sink."""
        ...

    @property
    def reads_kafka(self) -> bool:
        """Whether a ``logstash.conf`` has an input ``kafka``, whose records are framed
        (``model/record_frame``)."""
        ...

    @property
    def plugins(self) -> Sequence[PluginTally]:
        """The filters of a ``logstash.conf`` in the order written; nothing where stages work."""
        ...

    def process(
        self, payloads: Sequence[bytes], *, receipt: Receipt, peer: str, now_ns: int
    ) -> Processed:
        """Decide the fate of each payload.

        Returns documents in the order of their payloads; every payload is one or more documents,
        a dead letter or counted as dropped. Bad input never raises.
        """
        ...

    def explain(self, payload: bytes, *, now_ns: int) -> Explanation:
        """Do the same for one payload and keep every decision."""
        ...

    def event_of(self, body: bytes) -> bytes | None:
        """Return the event that a document was made of, as near as the document shows it; None
        where the rules cannot be undone."""
        ...

    def label_of(self, service: str) -> str:
        """Return the metric label of a service."""
        ...

    def is_for(self, group: str | None) -> bool:
        """Whether events of this ``group`` can become documents."""
        ...

    def own_stream(self, group: str, service: str) -> DataStream | None:
        """Return the data stream of a service's events, whatever else an event says; None where
        the rules have no such thing."""
        ...


def as_it_came(payload: bytes, *, peer: str, reason: str, detail: str) -> Processed:
    """Make a letter of an event for which the stages ran too long, undecoded."""
    letter = DeadLetter(reason=reason, detail=detail, payload=payload, service=OTHER, peer=peer)
    return Processed(dead_letters=[letter], received={OTHER: 1})
