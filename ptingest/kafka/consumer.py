"""Reads topics of Kafka as a member of a consumer group, from an event loop.

    loop     poll(), commit(), place(), pause(), resume(), close()      one after the other
    thread   the client's calls; whatever it reports is handed to the loop

All calls of the client (librdkafka) are made in one thread, in the order in which they were
asked for, because it calls back from within them. A rebalance is such a call: it takes no
partition away before ``PartitionOwner.revoked`` has answered.

Offsets are committed only where ``commit`` or ``revoked`` says so. Where a group has no offset of
a partition, or has one that is gone, the client is told to report it, and ``_begin`` decides:
it would go to the beginning or to the end in silence.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future as ThreadFuture
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ptingest.errors import KafkaReadFailed
from ptingest.kafka.package import confluent_kafka, made_offline, usable
from ptingest.kafka.polled import (
    Beginning,
    Partition,
    PartitionOwner,
    Polled,
    Problem,
    read_failed,
    record_of,
)
from ptingest.kafka.statistics import REPORT_SECONDS, ClientStatistics
from ptingest.kafka.stranded import REASON, Stranding
from ptingest.kafka.topics_seen import TopicsSeen

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message

log = logging.getLogger(__name__)

T = TypeVar("T")

REQUEST_SECONDS = 10.0
"""How long the thread waits for one answer of a broker; records wait meanwhile."""
AGAIN_SECONDS = 1.0
"""Time between two tries to find where a partition begins."""
LOOK_SECONDS = 10.0
"""How often brokers are asked for the topics."""

MOVED = frozenset({"NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS"})
"""Names of errors that end a consumer: it tells them where it could not learn the group's offsets
from a coordinator that had moved, and it leaves their partitions unread for good then
(confluentinc/librdkafka#5586)."""

PROPERTIES: Mapping[str, object] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    # Only this tells of offsets without a record, such as the marks of transactions.
    "enable.partition.eof": True,
    # A pattern such as ^.* must not read the groups' offsets.
    "topic.blacklist": "^__(consumer_offsets|transaction_state|share_group_state)$",
    # A member that comes or goes moves only the partitions that must move.
    "partition.assignment.strategy": "cooperative-sticky",
    "statistics.interval.ms": int(REPORT_SECONDS * 1000),
    "reconnect.backoff.ms": 200,
    "reconnect.backoff.max.ms": 2000,
    "socket.timeout.ms": 15_000,
    "socket.keepalive.enable": True,
    # Topics that a pattern finds, and topics that are gone, are noticed within this time.
    "topic.metadata.refresh.interval.ms": 30_000,
    # The library logs each attempt to connect; what an operator must know is in ``trouble``.
    "log_level": 0,
}


def require_usable(properties: Mapping[str, object]) -> None:
    """Raise KafkaUnusable where the library is missing, or would refuse these properties."""
    made_offline("Consumer", {**PROPERTIES, **properties}).close()


class _Commit(NamedTuple):
    offsets: dict[Partition, int]
    answer: asyncio.Future[str | None]


class KafkaConsumer:
    """A member of a group; lives on one loop."""

    def __init__(
        self,
        properties: Mapping[str, object],
        topics: Sequence[str],
        owner: PartitionOwner,
        *,
        start: str | int,
        revoke_seconds: float,
        topics_seen: TopicsSeen,
    ) -> None:
        """``properties`` are the library's, ``group.id`` among them. ``start`` is ``earliest``,
        ``latest`` or milliseconds since the epoch; ``latest`` is the end of what was there at
        the first look of ``topics_seen``, which outlives this consumer: what comes later is read
        from its beginning.
        ``revoke_seconds``: how long a rebalance may wait for ``owner.revoked``.

        Raises KafkaUnusable where the library is missing or takes no such properties.
        """
        self._topics, self._owner, self._start = list(topics), owner, start
        self._revoke_seconds = revoke_seconds
        self._loop = asyncio.get_running_loop()
        self.statistics = ClientStatistics()
        self._stranding = Stranding(properties, self.statistics)
        self._topics_seen = topics_seen
        self._committing: _Commit | None = None
        self._to_begin: set[Partition] = set()
        self._gone: set[Partition] = set()
        """Partitions that went during this poll."""
        self._begin_at = self._look_at = 0.0
        self.unread: Mapping[str, Problem] = {}
        """Why topics cannot be read that are subscribed to by name; the brokers' last word, since
        the library tells of a topic that goes only sometimes."""
        self._placing = self._placed = 0
        self._is_closed = False
        self._calls: queue.SimpleQueue[tuple[ThreadFuture[Any], Callable[[], Any]] | None]
        self._calls = queue.SimpleQueue()
        self._client = self._new_client(properties)
        # A daemon: a call that no broker answers must not keep the process.
        self._thread = threading.Thread(target=self._work, name="kafka consumer", daemon=True)
        self._thread.start()

    def _new_client(self, properties: Mapping[str, object]) -> Consumer:
        own = {
            "error_cb": self._on_error,
            "stats_cb": self._on_statistics,
            "on_commit": self._on_commit,
        }
        with usable():
            client: Consumer = confluent_kafka().Consumer({**PROPERTIES, **properties, **own})
        return client

    # -- on the loop ----------------------------------------------------------------------

    async def subscribe(self) -> None:
        """Join the group; partitions come during ``poll``.

        Raises KafkaReadFailed where the client takes no such topics.
        """
        self._look_at = time.monotonic() + LOOK_SECONDS
        await self._in_thread(self._subscribe)

    async def poll(self, seconds: float, most: int) -> Polled:
        """Wait up to ``seconds`` for records, and return at most ``most``.

        It must be called again and again, also while nothing can be taken (``pause``): a member
        that does not is put out of the group (``max.poll.interval.ms``).

        Raises:
            KafkaReadFailed: this consumer is of no use any more; make another one.
        """
        return await self._in_thread(lambda: self._poll(seconds, most))

    async def commit(self, offsets: Mapping[Partition, int]) -> str | None:
        """Commit offsets, and return why the brokers did not take them; None: they did.

        The answer comes with a ``poll``. One commit at a time.
        """
        if self._committing is not None:
            raise AssertionError("a commit is under way")
        commit = self._committing = _Commit(dict(offsets), self._loop.create_future())
        try:
            error = await self._in_thread(lambda: self._commit(commit.offsets))
            return error if error is not None else await commit.answer
        finally:
            self._committing = None

    def place(self, partition: Partition, offset: int) -> int:
        """Read a partition from ``offset`` on; what was fetched of it is dropped.

        Return a number: what a poll brings of the partition comes from there where its
        ``placed`` is not smaller.
        """
        self._placing += 1
        number = self._placing
        self._submit(lambda: self._place_now(partition, offset, number))
        return number

    def pause(self, partition: Partition) -> None:
        """Fetch nothing of a partition until ``resume``; it stays this member's."""
        self._submit(lambda: self._unless_gone(self._client.pause, [_place(partition)]))

    def resume(self, partition: Partition) -> None:
        """Fetch it again."""
        self._submit(lambda: self._unless_gone(self._client.resume, [_place(partition)]))

    async def close(self, seconds: float) -> None:
        """Leave the group; partitions are revoked before. Waits at most ``seconds``."""
        if self._is_closed:
            return
        self._is_closed = True
        closing = self._submit(self._client.close)
        self._submit(self._topics_seen.close)
        self._calls.put(None)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(asyncio.wrap_future(closing))
        except TimeoutError:
            log.warning("no broker let the consumer leave its group within %g s", seconds)

    @property
    def is_open(self) -> bool:
        """``close`` was not called yet."""
        return not self._is_closed

    @property
    def trouble(self) -> str | None:
        """Why nothing can be read: no broker answers; None where one does."""
        return self.statistics.trouble

    def _submit(self, call: Callable[[], T]) -> ThreadFuture[T]:
        done: ThreadFuture[T] = ThreadFuture()
        self._calls.put((done, call))
        return done

    async def _in_thread(self, call: Callable[[], T]) -> T:
        # What has begun in the thread goes on when its caller is cancelled.
        return await asyncio.shield(asyncio.wrap_future(self._submit(call)))

    # -- in the thread --------------------------------------------------------------------

    def _work(self) -> None:
        while (waiting := self._calls.get()) is not None:
            done, call = waiting
            try:
                done.set_result(call())
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                done.set_exception(error)

    def _subscribe(self) -> None:
        try:
            self._client.subscribe(
                self._topics,
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
        except confluent_kafka().KafkaException as error:
            raise read_failed(error.args[0], f"subscribing to {self._topics}: ") from None

    def _poll(self, seconds: float, most: int) -> Polled:
        if self._stranding.is_found():
            raise KafkaReadFailed("_ALL_BROKERS_DOWN", REASON)
        polled = Polled([], [], self._placed, {})
        self._gone.clear()
        if time.monotonic() >= self._look_at:
            self._look_for_topics()
        is_looked_at = self._start != "latest" or self._topics_seen.look_first()
        if is_looked_at and self._to_begin and time.monotonic() >= self._begin_at:
            self._begin_all()
        try:
            first = self._client.poll(seconds)
            messages = [] if first is None else [first, *self._client.consume(most - 1, 0)]
        except confluent_kafka().KafkaException as error:
            raise read_failed(error.args[0]) from None
        if first is not None and (first.topic(), first.partition()) in self._gone:
            del messages[0]  # its partition went, and perhaps came back, after it was read
        for message in messages:
            if message.error() is None:
                polled.records.append(record_of(message))
            else:
                self._take_error(message, polled)
        return polled

    def _take_error(self, message: Message, polled: Polled) -> None:
        error, topic, number = message.error(), message.topic(), message.partition()
        assert error is not None
        if error.fatal() or error.name() in MOVED:
            raise read_failed(error)
        partition = None if topic is None or number is None else Partition(topic, number)
        if error.name() == "_PARTITION_EOF" and partition is not None:
            polled.ends[partition] = message.offset() or 0
        elif error.name() == "_AUTO_OFFSET_RESET" and partition is not None:
            self._to_begin.add(partition)
        elif topic is not None:
            self._look_at = 0.0  # look now
        else:
            polled.problems.append(Problem(error.name(), error.str(), topic))

    def _commit(self, offsets: Mapping[Partition, int]) -> str | None:
        try:
            self._client.commit(offsets=self._safe_places(offsets), asynchronous=True)
        except confluent_kafka().KafkaException as error:
            return _text(error.args[0])
        return None

    def _safe_places(self, offsets: Mapping[Partition, int]) -> list[Any]:
        note = self._topics_seen.note
        return [_place(one, offset, note(one)) for one, offset in offsets.items()]

    def _place_now(self, partition: Partition, offset: int, number: int) -> None:
        self._placed = number
        self._read_from(partition, offset)

    def _read_from(self, partition: Partition, offset: int) -> None:
        # seek() works only while a partition is being fetched, which it is not where it could
        # not begin.
        place = _place(partition, offset)
        self._unless_gone(self._client.incremental_unassign, [_place(partition)])
        self._unless_gone(self._client.incremental_assign, [place])
        self._unless_gone(self._client.resume, [_place(partition)])

    def _unless_gone(self, call: Callable[[list[Any]], None], places: list[Any]) -> None:
        # A partition may go while its owner asks for something.
        with suppress(confluent_kafka().KafkaException):
            call(places)

    def _look_for_topics(self) -> None:
        self._look_at = time.monotonic() + LOOK_SECONDS
        held = _partitions(self._client.assignment())
        named = {topic for topic in self._topics if not topic.startswith("^")}
        problems = self._topics_seen.look(named | {one.topic for one in held})
        if problems is None:
            return  # no broker answers, and what was last seen stays
        self.unread = {topic: problems[topic] for topic in named & problems.keys()}
        for one in held:
            if self._topics_seen.is_made_anew(one):
                self._to_begin.add(one)
            else:
                self._topics_seen.begin(one)

    def _begin_all(self) -> None:
        """Find where partitions begin that have no usable offset; those it fails for stay."""
        self._to_begin &= set(_partitions(self._client.assignment()))
        found: dict[Partition, Beginning] = {}
        for partition in sorted(self._to_begin):
            try:
                found[partition] = self._begin(partition)
            except confluent_kafka().KafkaException as error:
                self._begin_at = time.monotonic() + AGAIN_SECONDS
                log.warning(
                    "cannot find where %s/%d begins (%s); trying again in %g s",
                    *(*partition, _text(error.args[0]), AGAIN_SECONDS),
                )
                break
        # Not before all are found: a broker answers questions behind the fetch that waits for
        # records on the same connection, so each would take half a second.
        for partition, beginning in found.items():
            self._to_begin.discard(partition)
            self._topics_seen.begin(partition)
            self._read_from(partition, beginning.offset)
            self._ask(self._owner.begun(partition, beginning))

    def _begin(self, partition: Partition) -> Beginning:
        client, place = self._client, _place(partition)
        (found,) = client.committed([place], timeout=REQUEST_SECONDS)
        if found.error is not None:
            raise confluent_kafka().KafkaException(found.error)
        low, high = client.get_watermark_offsets(place, timeout=REQUEST_SECONDS)
        if self._topics_seen.is_made_anew(partition):
            return Beginning(low, None, low, is_anew=True)
        if found.offset >= 0:
            return Beginning(low, found.offset, low)
        is_new = self._start == "latest" and self._topics_seen.is_new(partition)
        if self._start == "earliest" or is_new:
            return Beginning(low, None, low)
        if self._start == "latest":
            return Beginning(high, None, low)
        moment = _place(partition, int(self._start))
        (found,) = client.offsets_for_times([moment], timeout=REQUEST_SECONDS)
        if found.error is not None:
            raise confluent_kafka().KafkaException(found.error)
        return Beginning(found.offset if found.offset >= 0 else high, None, low)

    # -- called back by the client, in the thread -----------------------------------------

    def _on_assign(self, _: Consumer, places: list[Any]) -> None:
        self.statistics.rebalances += 1
        self._look_at = 0.0  # look now: ids of topics must be known before one can change
        self._take_notes(places)
        self._ask(self._owner.assigned(_partitions(places)))

    def _take_notes(self, places: list[Any]) -> None:
        """Read what is committed beside offsets, before another commit replaces it."""
        if not places:
            return
        try:
            found = self._client.committed(places, timeout=REQUEST_SECONDS)
        except confluent_kafka().KafkaException:
            return  # what is known from before stays
        for one in found:
            if one.error is None and one.metadata:
                self._topics_seen.committed(Partition(one.topic, one.partition), one.metadata)

    def _on_revoke(self, client: Consumer, places: list[Any]) -> None:
        self.statistics.rebalances += 1
        revoked = _partitions(places)
        self._to_begin.difference_update(revoked)
        self._gone.update(revoked)
        offsets = self._ask(self._owner.revoked(revoked), self._revoke_seconds) or {}
        if not offsets:
            return
        try:
            client.commit(offsets=self._safe_places(offsets), asynchronous=False)
        except confluent_kafka().KafkaException as error:
            log.warning(
                "offsets of %d revoked partitions were not committed (%s); who reads them now "
                "reads some events again, which are recognised by their keys",
                *(len(offsets), _text(error.args[0])),
            )

    def _on_lost(self, _: Consumer, places: list[Any]) -> None:
        self.statistics.rebalances += 1
        lost = _partitions(places)
        self._to_begin.difference_update(lost)
        self._gone.update(lost)
        self._ask(self._owner.lost(lost))

    def _on_error(self, error: KafkaError) -> None:
        self.statistics.last_error = _text(error)

    def _on_statistics(self, text: str) -> None:
        self.statistics.read(text)

    def _on_commit(self, error: KafkaError | None, places: list[Any]) -> None:
        refused = (one.error for one in places if one.error is not None)
        found = error or next(refused, None)
        offsets = {Partition(one.topic, one.partition): one.offset for one in places}
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._committed, offsets, found and _text(found))

    def _committed(self, offsets: dict[Partition, int], error: str | None) -> None:
        commit = self._committing
        # An answer may be for a commit whose caller was cancelled.
        if commit is not None and commit.offsets == offsets and not commit.answer.done():
            commit.answer.set_result(error)

    def _ask(self, answer: Coroutine[Any, Any, T], seconds: float = 0.0) -> T | None:
        """Wait for what the loop says; None where it says nothing in time. ``seconds``: how long
        the owner may take."""
        try:
            waiting = asyncio.run_coroutine_threadsafe(answer, self._loop)
        except RuntimeError:  # the loop is closed
            answer.close()
            return None
        try:
            # The owner bounds itself; this ends what a busy loop would hold up.
            return waiting.result(seconds + REQUEST_SECONDS)
        except TimeoutError:
            # It is not cancelled: an owner that never heard of a partition would not read it.
            waited = seconds + REQUEST_SECONDS
            log.warning("the event loop was busy for %g s; a rebalance goes on without it", waited)
            return None


def _place(partition: Partition, offset: int = -1001, note: str = "") -> Any:
    return confluent_kafka().TopicPartition(partition.topic, partition.number, offset, note)


def _partitions(places: Iterable[Any]) -> list[Partition]:
    return [Partition(one.topic, one.partition) for one in places]


def _text(error: Any) -> str:
    return f"{error.name()}: {error.str()}"
