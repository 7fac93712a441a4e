"""Sends records to Kafka from an event loop; a record is safe when all in-sync replicas have it.

    loop     send() --> the client's queue; it waits while that is full
    thread   poll() --> the reports of a whole poll, handed to the loop by one call

The client (librdkafka) batches, retries and finds leaders in threads of its own. It is
idempotent, so that its own retries write nothing twice, and no record expires: while no broker
answers, records wait in its queue, which the caller bounds.

A fatal error ends a client for good, and so does the loss of all brokers while they answer others:
another one takes its place, and what the first one had not confirmed fails with ``NotAppended``.
The caller sends it again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ptingest.errors import NotAppended
from ptingest.kafka.package import confluent_kafka, made_offline, usable
from ptingest.kafka.statistics import REPORT_SECONDS, ClientStatistics
from ptingest.kafka.stranded import REASON, Stranding
from ptingest.kafka.topic import TopicState, trouble_of

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""How long one poll waits for reports; they end it at once."""
CLOSE_SECONDS = 5.0
"""How long a client that was told to drop its records may take to report them."""
SMALLEST_BYTES = 1000
"""The library takes no smaller limit of a message."""

PROPERTIES: Mapping[str, object] = {
    "acks": "all",
    "enable.idempotence": True,
    # Records wait as long as they must: who may give up is decided by the connection they
    # came from, never here.
    "message.timeout.ms": 0,
    # Records are large, so waiting for company gains nothing.
    "linger.ms": 0,
    "reconnect.backoff.ms": 200,
    "reconnect.backoff.max.ms": 2000,
    "socket.keepalive.enable": True,
    "statistics.interval.ms": int(REPORT_SECONDS * 1000),
    # The library logs each attempt to connect; what an operator must know is in ``last_error``.
    "log_level": 0,
}


def require_usable(properties: Mapping[str, object], *, message_bytes: int) -> None:
    """Raise KafkaUnusable where the library is missing, or would refuse these properties."""
    made_offline("Producer", {**PROPERTIES, **properties, **_limits(message_bytes)})


def _limits(message_bytes: int) -> dict[str, object]:
    limit = max(SMALLEST_BYTES, message_bytes)
    # A batch of several records that is larger than the topic allows is refused as a whole.
    return {"message.max.bytes": limit, "batch.size": limit}


_Reports = list[tuple[asyncio.Future[None], NotAppended | None]]


class _Client:
    """One client of the library with the thread that polls it."""

    def __init__(
        self,
        properties: Mapping[str, object],
        loop: asyncio.AbstractEventLoop,
        on_fatal: Callable[[_Client, str], None],
    ) -> None:
        self._loop, self._on_fatal = loop, on_fatal
        self.statistics = ClientStatistics()
        self._stranding = Stranding(properties, self.statistics)
        self._reports: _Reports = []
        self._room = asyncio.Event()
        self._is_ending = False
        self.last_error: str | None = None
        own = {"error_cb": self._on_error, "stats_cb": self.statistics.read}
        self._library = confluent_kafka().Producer({**properties, **own})
        self._thread = threading.Thread(target=self._poll, name="kafka producer", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        return len(self._library)

    async def send(
        self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]], key: bytes | None
    ) -> asyncio.Future[None]:
        done: asyncio.Future[None] = self._loop.create_future()
        given = list(headers)
        while not self._is_ending:
            try:
                on_delivery = partial(self._reported, done)
                self._library.produce(topic, value, key, headers=given, on_delivery=on_delivery)
            except BufferError:
                self._room.clear()
                await self._room.wait()
            except confluent_kafka().KafkaException as error:
                done.set_exception(_failure(error.args[0]))
                return done
            else:
                return done
        done.set_exception(NotAppended("_DESTROY", "the client is closed"))
        return done

    def topic_metadata(self, topic: str, seconds: float) -> Any:
        """Ask a broker; blocks."""
        return self._library.list_topics(topic, timeout=seconds).topics[topic]

    def brokers(self, seconds: float) -> int:
        """Ask for all brokers; blocks."""
        return len(self._library.list_topics(timeout=seconds).brokers)

    # -- in the thread that polls ---------------------------------------------------------

    def _poll(self) -> None:
        while not (self._is_ending and len(self._library) == 0):
            try:
                self._library.poll(POLL_SECONDS)
            except confluent_kafka().KafkaException as error:
                # A fatal error is raised here, once, and not given to ``error_cb``.
                self._tell(self._on_fatal, self, str(_failure(error.args[0])))
            if not self._is_ending and self._stranding.is_found():
                self._tell(self._on_fatal, self, REASON)
            if self._reports:
                reports, self._reports = self._reports, []
                self._tell(self._settle, reports)

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        # Without a loop nobody waits for an answer any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, *arguments)

    def _reported(self, done: asyncio.Future[None], error: KafkaError | None, _: object) -> None:
        if error is None:
            self.last_error = None
        self._reports.append((done, None if error is None else _failure(error)))

    def _on_error(self, error: KafkaError) -> None:
        self.last_error = self.statistics.last_error = error.str()

    # -- on the loop ----------------------------------------------------------------------

    def _settle(self, reports: _Reports) -> None:
        self._room.set()
        for done, failure in reports:
            if done.done():
                continue  # cancelled by whom it was for
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    async def end(self) -> None:
        """Drop what is not confirmed, report it, and end the thread."""
        self._is_ending = True
        self._room.set()
        await asyncio.to_thread(self._purge)

    def _purge(self) -> None:
        self._library.purge()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            log.warning("a Kafka client did not end within %g s; it is left", CLOSE_SECONDS)


class KafkaProducer:
    """Appends records to topics; lives on one loop."""

    def __init__(self, properties: Mapping[str, object], *, message_bytes: int) -> None:
        """``properties`` are the library's, for the connection; no record and no batch of them
        is larger than ``message_bytes``.

        Raises KafkaUnusable where the library is missing or takes no such properties.
        """
        self._properties = {**PROPERTIES, **properties}
        self._loop = asyncio.get_running_loop()
        self._endings: set[asyncio.Task[None]] = set()
        self.restarts = 0
        """How often a client was replaced."""
        self.message_bytes = message_bytes
        self._client = self._new_client()

    def _new_client(self) -> _Client:
        limits = _limits(self.message_bytes)
        with usable():
            return _Client({**self._properties, **limits}, self._loop, self._ended_fatally)

    @property
    def last_error(self) -> str | None:
        """What the library said last of its connections; None once a record was confirmed."""
        return self._client.last_error

    @property
    def trouble(self) -> str | None:
        """That no broker is connected, and why; None while one is. Told within seconds, and nobody
        is asked for it."""
        return self._client.statistics.trouble

    @property
    def queued(self) -> int:
        """Records that are not confirmed yet."""
        return self._client.queued

    async def send(
        self,
        topic: str,
        value: bytes,
        headers: Sequence[tuple[str, bytes]] = (),
        key: bytes | None = None,
    ) -> asyncio.Future[None]:
        """Hand a record over; wait while the client's queue is full.

        The future that is returned is done when all in-sync replicas have the record, and fails
        with NotAppended where it must be sent again or cannot be taken.
        """
        return await self._client.send(topic, value, headers, key)

    async def topic_state(self, topic: str, *, seconds: float) -> TopicState:
        """Ask the brokers for a topic; never raises for what they answer."""
        try:
            found = await asyncio.to_thread(self._client.topic_metadata, topic, seconds)
        except confluent_kafka().KafkaException as error:
            return TopicState.unanswered(self.last_error or error.args[0].str())
        return TopicState.of(found)

    async def unanswered(self, *, seconds: float) -> str | None:
        """Ask whether brokers answer; return why none does."""
        try:
            await asyncio.to_thread(self._client.brokers, seconds)
        except confluent_kafka().KafkaException as error:
            detail = self.last_error or error.args[0].str()
            return trouble_of("", detail, "")
        return None

    def restart(self, *, message_bytes: int | None = None) -> None:
        """Replace the client, with another limit of a record if it is given; what is not
        confirmed fails."""
        if message_bytes is not None:
            self.message_bytes = message_bytes
        old, self._client = self._client, self._new_client()
        self.restarts += 1
        ending = self._loop.create_task(old.end(), name="kafka producer ends")
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    def _ended_fatally(self, client: _Client, error: str) -> None:
        if client is self._client:
            log.warning("the Kafka client cannot go on (%s); another one takes its place", error)
            self.restart()

    async def close(self) -> None:
        """Drop what is not confirmed, and end all threads."""
        await asyncio.gather(*self._endings, self._client.end())


def _failure(error: KafkaError) -> NotAppended:
    return NotAppended(error.name(), error.str())
