"""Records in the topics that targets name: the output ``kafka`` of a ``logstash.conf``.

    batch --a record each--> the client's queue --all in-sync replicas--> stored
          --> refused even alone, or too large       --> refused, a dead letter
          --> its topic is missing or forbidden      --> waits, other topics go on
          --> not confirmed in time                  --> busy: asked for again, not sent again

A record that was handed over is the client's until it is confirmed, however often its document
comes back meanwhile: while no broker answers nothing is sent twice, and ``queue_bytes`` bounds
what waits. Kafka has no ids, so that what is sent again after a crash is there twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from ptingest.errors import NotAppended
from ptingest.kafka.producer import KafkaProducer, require_usable
from ptingest.model.document import Document
from ptingest.model.finding import Finding
from ptingest.model.outcome import Refusal, WriteResult
from ptingest.settings.sinks import KafkaSinkSettings
from ptingest.sinks.kafka.refusals import OF_THE_RECORD, of_the_record, of_the_topic

ANSWER_SECONDS = 10.0
"""How long a write waits for a first confirmation."""
QUIET_SECONDS = 1.0
"""How long it waits for a further one."""
ASK_SECONDS = 3.0
"""How long a question for a topic, or for the brokers, may take."""
KEPT_SECONDS = 60.0
"""How long it is known that a record was confirmed whose document did not come back for it."""
RECORD_OVERHEAD_BYTES = 1024
"""What a record takes in memory beside its value and its key."""
ALONE: Mapping[str, object] = {"batch.num.messages": 1}

Sent = asyncio.Future[None]


class KafkaSink:
    """Implements ``Sink``."""

    name = "kafka"

    def __init__(
        self, settings: KafkaSinkSettings, *, properties: Mapping[str, object] | None = None
    ) -> None:
        """``properties`` of the client library go before those that are made of the settings.

        Raises KafkaUnusable where the library is missing, or a file that it needs.
        """
        self._settings = settings
        self._limit = int(settings.record_bytes)
        self._properties: dict[str, object] = {
            **settings.properties(),
            # As Java's clients do, so that a key's records stay in their partition.
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            # This sink counts bytes itself.
            "queue.buffering.max.messages": 0,
            "queue.buffering.max.kbytes": 2_097_151,
            **(properties or {}),
        }
        require_usable(self._properties, message_bytes=self._limit)
        self._producer: KafkaProducer | None = None
        self._alone: KafkaProducer | None = None
        self._sent: dict[Document, Sent] = {}
        """Records that were handed over, by the document that was not told of it yet."""
        self._queued_bytes = 0
        self._topic: str | None = None
        """One that was written to."""

    # -- writing ---------------------------------------------------------------------------

    async def write(
        self,
        documents: Sequence[Document],
        doubtful: frozenset[Document],  # noqa: ARG002 - records cannot be looked up
    ) -> WriteResult:
        """Send what was not sent yet, and wait for confirmations."""
        producer = self._started()
        self._drop_abandoned(producer)
        for document in documents:
            if document not in self._sent and self._queued_bytes < self._settings.queue_bytes:
                self._sent[document] = await self._hand_over(producer, document)
        await _until_done(self._sent[one] for one in documents if one in self._sent)
        errors, busy = self._answers(documents)
        alone = [one for one, error in errors.items() if error.name in OF_THE_RECORD]
        stream_busy, others = _of_topics(
            {one: error for one, error in errors.items() if error.name not in OF_THE_RECORD}
        )
        refused, again = await self._send_alone(alone)
        busy += [*others, *again]
        taken = len(documents) - len(busy) - len(stream_busy)
        trouble = await self._trouble(busy) if busy and not taken else None
        return WriteResult(
            refused=refused, busy=busy, stream_busy=stream_busy, trouble=trouble,
            busy_because="Kafka has not confirmed it" if busy else "",
        )  # fmt: skip

    async def _hand_over(self, producer: KafkaProducer, document: Document) -> Sent:
        topic, value, key = _record(document)
        self._topic = topic
        cost = len(value) + len(key or b"") + RECORD_OVERHEAD_BYTES
        self._queued_bytes += cost
        try:
            sent = await producer.send(topic, value, key=key)
        except BaseException:
            self._queued_bytes -= cost
            raise

        def over(done: Sent) -> None:
            self._queued_bytes -= cost
            if not done.cancelled():
                done.exception()  # asked for, also where nobody waits for it any more
            asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget, document, done)

        sent.add_done_callback(over)
        return sent

    def _forget(self, document: Document, sent: Sent) -> None:
        if self._sent.get(document) is sent:
            del self._sent[document]

    def _answers(
        self, documents: Sequence[Document]
    ) -> tuple[dict[Document, NotAppended], list[Document]]:
        """Take the answers that are there: errors, and what is to be asked for again."""
        errors: dict[Document, NotAppended] = {}
        busy: list[Document] = []
        for document in documents:
            sent = self._sent.get(document)
            if sent is None or not sent.done():
                busy.append(document)
                continue
            del self._sent[document]
            if (error := sent.exception()) is not None:
                assert isinstance(error, NotAppended)
                errors[document] = error
        return errors, busy

    async def _send_alone(
        self, documents: Sequence[Document]
    ) -> tuple[list[Refusal], list[Document]]:
        """Send records each in a batch of its own: which were refused, and which have no answer."""
        if not documents:
            return [], []
        if self._alone is None:
            self._alone = KafkaProducer({**self._properties, **ALONE}, message_bytes=self._limit)
        for document in documents:
            self._sent[document] = await self._hand_over(self._alone, document)
        await _until_done(self._sent[one] for one in documents)
        errors, busy = self._answers(documents)
        refused = []
        for document, error in errors.items():
            if error.name in OF_THE_RECORD:
                size = len(_record(document)[1])
                refused.append(of_the_record(document, error, size=size, limit=self._limit))
            else:
                busy.append(document)
        return refused, busy

    def _drop_abandoned(self, producer: KafkaProducer) -> None:
        """Let the client forget records whose events are read or sent again: they are sent then."""
        waits = [one for one, sent in self._sent.items() if not sent.done()]
        if waits and all(one.receipt.failed is not None for one in waits):
            producer.restart()

    # -- asking ----------------------------------------------------------------------------

    async def _trouble(self, busy: Sequence[Document]) -> str | None:
        """Say why no record of a batch was taken."""
        producer, topic = self._started(), busy[0].target.name
        state = await producer.topic_state(topic, seconds=ASK_SECONDS)
        found = state.trouble(topic, None) or producer.last_error
        if found is None and self._queued_bytes >= self._settings.queue_bytes:
            found = f"{self._queued_bytes} bytes of records wait for their confirmation"
        return found or f"Kafka has not confirmed a record within {ANSWER_SECONDS:g} s"

    async def check(self) -> Sequence[Finding]:
        """Log in at the brokers, and look at a topic that was written to."""
        producer, subject = self._started(), "brokers"
        if self._topic is None:
            unanswered = await producer.unanswered(seconds=ASK_SECONDS)
        else:
            subject = f"topic {self._topic}"
            state = await producer.topic_state(self._topic, seconds=ASK_SECONDS)
            trouble = state.trouble(self._topic, None)
            if trouble is not None and state.error != "":
                return [Finding("problem", subject, trouble)]
            unanswered = trouble
        if unanswered is not None:
            cure = "are the brokers running, and do sinks.kafka.brokers, tls and sasl fit them?"
            return [Finding("problem", subject, unanswered, cure, stops_all=True)]
        return [Finding("ok", subject, f"answered at {', '.join(self._settings.brokers)}")]

    def _started(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = KafkaProducer(self._properties, message_bytes=self._limit)
        return self._producer

    async def close(self) -> None:
        """End the clients; what is not confirmed is dropped. Closing again does nothing."""
        producers, self._producer, self._alone = (self._producer, self._alone), None, None
        for one in producers:
            if one is not None:
                await one.close()


def _record(document: Document) -> tuple[str, bytes, bytes | None]:
    """Topic, value and key."""
    key = None if document.routing is None else document.routing.encode("utf-8", "replace")
    value = document.body if document.text is None else document.text
    return document.target.name, value, key


def _of_topics(
    errors: Mapping[Document, NotAppended],
) -> tuple[list[Refusal], list[Document]]:
    """Divide what failed: for its topic, or to be sent again."""
    found = {one: of_the_topic(one, error) for one, error in errors.items()}
    refusals = [one for one in found.values() if one is not None]
    return refusals, [one for one, refusal in found.items() if refusal is None]


async def _until_done(sent: Iterable[Sent]) -> None:
    """Wait until all are done, or nothing comes any more: what one partition keeps waiting does not
    hold up the others for long."""
    waiting, has_done, quiet = set(sent), False, 0.0
    while waiting:
        done, waiting = await asyncio.wait(waiting, timeout=QUIET_SECONDS)
        has_done = has_done or any(one.exception() is None for one in done)
        quiet = 0.0 if done else quiet + QUIET_SECONDS
        if quiet >= (QUIET_SECONDS if has_done else ANSWER_SECONDS):
            return
