"""Reads topics of Kafka, and commits offsets behind events that are safe.

    consumer ──► a reader for each partition ──► admit ──► sinks
        ▲                 │
        └── offsets ◄─────┘  every few seconds, at a drain, and before a partition goes

The loop polls whatever happens, so that backpressure never ends the membership in the group: a
partition that has its share of bytes under way is paused, and the others are read on. A rebalance
waits, bounded, for what is under way of the partitions that go. Whatever is read twice is
recognised by its key.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from ptingest.errors import KafkaReadFailed, KafkaUnusable
from ptingest.kafka.consumer import KafkaConsumer, require_usable
from ptingest.kafka.polled import Beginning, KafkaRecord, Partition, Polled
from ptingest.kafka.topics_seen import TopicsSeen
from ptingest.model.contracts import Admit, Checkpoint, Clock
from ptingest.settings.kafka import KafkaSourceSettings
from ptingest.sources.kafka.books import KafkaBooks
from ptingest.sources.kafka.partition import PartitionReader, Surroundings
from ptingest.sources.kafka.trend import LagTrend
from ptingest.sources.kafka.troubles import SourceTroubles
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
POLL_RECORDS = 1000
REVOKE_SECONDS = 20.0
"""How long a rebalance waits for what is under way, at most."""
LEAVE_SECONDS = 5.0
AGAIN_SECONDS = 2.0
"""Time before another consumer takes the place of one that failed."""
LISTED_PARTITIONS = 100


class KafkaSource:
    """One consumer of a group; the ``PartitionOwner`` of its partitions."""

    def __init__(
        self,
        settings: KafkaSourceSettings,
        *,
        name: str,
        admit: Admit,
        checkpoint: Checkpoint,
        give_back: Callable[[], None],
        record_limit_bytes: int,
        metrics: Metrics,
        clock: Clock,
        chance: random.Random,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        """``give_back`` drops the documents of failed runs from the lanes. ``properties`` of the
        client library go before those that are made of the settings.

        Raises KafkaUnusable where the client library is missing, or a file that it needs.
        """
        self.name, self._settings = name, settings
        self._give_back, self._clock, self._chance = give_back, clock, chance
        self.books = KafkaBooks(metrics)
        self._around = Surroundings(
            admit=admit,
            checkpoint=checkpoint,
            clock=clock,
            books=self.books,
            limit_bytes=settings.partition_bytes,
            record_limit_bytes=record_limit_bytes,
            on_failed=self._rewind,
        )
        self._properties = _usable(settings, properties)
        self._revoke_seconds = _revoke_seconds(self._properties)
        self._readers: dict[Partition, PartitionReader] = {}
        self._consumer: KafkaConsumer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._commits = asyncio.Lock()
        self._troubles = SourceTroubles(settings.group, clock)
        self._topics_seen = TopicsSeen(self._properties)
        self._is_draining, self._trend = False, LagTrend()
        self._is_closing, self._ended = asyncio.Event(), asyncio.Event()
        self._ended.set()
        metrics.before_scrape(self._refresh)

    # -- running and stopping -------------------------------------------------------------

    async def run(self) -> None:
        """Read and admit until cancelled or closed; errors propagate."""
        self._ended.clear()
        try:
            while not self._is_closing.is_set():
                try:
                    await self._read()
                except (KafkaReadFailed, KafkaUnusable) as error:
                    await self._start_over(error)
        finally:
            self._ended.set()

    async def _read(self) -> None:
        consumer = self._consumer = KafkaConsumer(
            self._properties,
            self._settings.topics,
            self,
            start=_start(self._settings.start),
            revoke_seconds=self._revoke_seconds,
            topics_seen=self._topics_seen,
        )
        self._troubles.joins()
        await consumer.subscribe()
        committing = self._spawn(self._commit_regularly(consumer), "kafka commits")
        try:
            while not self._is_closing.is_set():
                polled = await consumer.poll(POLL_SECONDS, POLL_RECORDS)
                self._take(polled)
                self._troubles.note_topics(consumer.unread)
                self._troubles.look(consumer.statistics)
                self._balance(consumer)
        finally:
            committing.cancel()

    async def _start_over(self, error: Exception) -> None:
        log.error("the Kafka consumer ended (%s); another one joins in %g s", error, AGAIN_SECONDS)
        self._troubles.ended(error)
        self._abandon(dict(self._readers), "the consumer ended")
        if self._consumer is not None:
            await self._consumer.close(LEAVE_SECONDS)
        await asyncio.sleep(AGAIN_SECONDS)

    def stop_reading(self) -> None:
        """First step of a stop: what was read and not begun is left to whoever reads next."""
        self._is_draining = True
        for reader in self._readers.values():
            reader.end()

    async def finish_admitting(self, deadline: float) -> None:
        """Second step: return when all that was begun is admitted, or at ``deadline``."""
        seconds = max(0.0, deadline - self._clock.monotonic())
        async with asyncio.TaskGroup() as group:
            for reader in self._readers.values():
                group.create_task(reader.finish_admitting(seconds))

    async def close(self, deadline: float) -> None:
        """Last step: commit what is safe, and leave the group, until ``deadline``."""
        consumer = self._consumer
        if consumer is None or self._ended.is_set():
            return
        try:
            async with asyncio.timeout(max(0.1, deadline - self._clock.monotonic())):
                await self._commit_last(consumer)
                self._is_closing.set()
                await self._ended.wait()
        except TimeoutError:
            log.warning("offsets were not committed in time; some events will be read again")
        self._is_closing.set()
        self._abandon(dict(self._readers), "the server is stopping")
        await consumer.close(max(0.1, deadline - self._clock.monotonic()))

    async def _commit_last(self, consumer: KafkaConsumer) -> None:
        while (error := await self._commit(consumer)) is not None:
            log.warning("the last offsets were not committed (%s); trying again", error)
            await asyncio.sleep(0.2)  # until the deadline of whoever closes

    # -- records --------------------------------------------------------------------------

    def _take(self, polled: Polled) -> None:
        for problem in polled.problems:
            self._troubles.note(problem)
        by_partition: dict[Partition, list[KafkaRecord]] = {}
        for key, records in groupby(polled.records, key=lambda one: (one.topic, one.partition)):
            by_partition.setdefault(Partition(*key), []).extend(records)
        for partition, found in by_partition.items():
            if (reader := self._readers.get(partition)) is not None and not self._is_draining:
                reader.take(found, polled.placed)
        for partition, offset in polled.ends.items():
            if (reader := self._readers.get(partition)) is not None:
                reader.reach(offset, polled.placed)

    def _balance(self, consumer: KafkaConsumer) -> None:
        """Pause what has its share of bytes under way, and read on what has room again."""
        readers = [one for one in self._readers.values() if not one.is_rewinding]
        for reader in readers:
            if reader.is_full and not reader.is_paused:
                reader.is_paused = True
                consumer.pause(reader.partition)
            elif reader.is_paused and reader.has_room:
                reader.is_paused = False
                consumer.resume(reader.partition)

    def _rewind(self, reader: PartitionReader) -> None:
        self._give_back()
        name = f"kafka {reader.partition.topic}/{reader.partition.number} again"
        self._spawn(self._read_again(reader), name)

    async def _read_again(self, reader: PartitionReader) -> None:
        consumer = self._consumer
        assert consumer is not None
        reader.is_paused = True
        consumer.pause(reader.partition)
        await asyncio.sleep(reader.backoff_seconds * (0.75 + self._chance.random() / 2))
        await reader.until_idle()
        if reader.is_over or (offset := reader.offsets.unsafe) is None:
            return
        reader.rewound(consumer.place(reader.partition, offset))
        reader.is_paused = False

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s ended", task.get_name(), exc_info=error)

    # -- offsets --------------------------------------------------------------------------

    async def _commit_regularly(self, consumer: KafkaConsumer) -> None:
        while True:
            await asyncio.sleep(self._settings.commit_seconds)
            self._trend.note(self._clock.monotonic(), self._lag_of_all())
            if not self._is_draining:
                await self._commit(consumer)

    async def _commit(self, consumer: KafkaConsumer) -> str | None:
        """Commit what is safe; return why the brokers did not take it."""
        async with self._commits:
            offsets = self._to_commit(self._readers)
            error = await consumer.commit(offsets) if offsets else None
        if error is None:
            for partition, offset in offsets.items():
                if (reader := self._readers.get(partition)) is not None:
                    reader.committed = offset
        if offsets:
            self.books.committed(error)
        self._troubles.committed(error)
        return error

    async def _commit_beginning(self, consumer: KafkaConsumer) -> None:
        await self._commit(consumer)

    def _to_commit(self, readers: Mapping[Partition, PartitionReader]) -> dict[Partition, int]:
        found = ((one, reader.to_commit) for one, reader in readers.items())
        return {one: offset for one, offset in found if offset is not None}

    # -- what the consumer asks: see PartitionOwner ---------------------------------------

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        self.books.rebalanced()
        self._trend.begin_again()
        for partition in partitions:
            reader = self._readers[partition] = PartitionReader(partition, self._around)
            if self._is_draining:
                reader.end()
        if partitions or not self._readers:  # else a rebalance brought nothing
            log.info("reads now: %s", _named(self._readers))
        self._troubles.joined()

    async def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        self.books.rebalanced()
        self._trend.begin_again()
        if not self._is_closing.is_set():
            log.info("reads no longer: %s", _named(partitions))
        going = {one: self._readers[one] for one in partitions if one in self._readers}
        for reader in going.values():
            reader.end()
        waiting = [asyncio.ensure_future(one.until_idle()) for one in going.values()]
        if waiting and not self._is_closing.is_set():
            await asyncio.wait(waiting, timeout=self._revoke_seconds)
        for one in waiting:
            one.cancel()
        offsets = self._to_commit(going)
        self._abandon(going, "its partition was taken away")
        return offsets

    async def lost(self, partitions: Sequence[Partition]) -> None:
        self.books.rebalanced()
        self._trend.begin_again()
        log.warning(
            "lost %s: the group did not hear of this member in time, or their topic is gone; "
            "whoever gets them next, perhaps this member, reads again what was not safe, and it is "
            "recognised by its keys",
            _named(partitions),
        )
        held = {one: self._readers[one] for one in partitions if one in self._readers}
        self._abandon(held, "its partition was lost")
        if not self._readers:
            self._troubles.joins()

    async def begun(self, partition: Partition, beginning: Beginning) -> None:
        reader = self._readers.get(partition)
        name = f"{partition.topic}/{partition.number}"
        if beginning.is_anew:
            log.error(
                "%s: the topic was deleted and made anew while it was read; what was not read of "
                "the old one is lost, and all of the new one is read, from %d on",
                *(name, beginning.offset),
            )
        elif beginning.committed is None:
            log.info(
                "%s: the group has no offset; begins at %d (the first record is %d)",
                *(name, beginning.offset, beginning.low),
            )
        elif beginning.committed < beginning.low:
            gone = beginning.low - beginning.committed
            self.books.lost_records(partition.topic, gone)
            log.error(
                "%s: %d records from offset %d on are gone, deleted before they were read; reads "
                "on at %d. Let the topic keep records longer (retention.ms, retention.bytes) than "
                "this group may be away",
                *(name, gone, beginning.committed, beginning.offset),
            )
        else:
            log.error(
                "%s: the group's offset %d lies behind the end: the topic was made anew, or lost "
                "records; reads all that is there, from %d on, and what was stored before is "
                "recognised by its keys",
                *(name, beginning.committed, beginning.offset),
            )
        if reader is not None and (consumer := self._consumer) is not None:
            reader.begin_at(beginning.offset)
            # A kill must not let the next one choose another beginning. Its answer comes with a
            # poll, and this one has not returned yet.
            self._spawn(self._commit_beginning(consumer), "kafka beginning")

    def _abandon(self, readers: Mapping[Partition, PartitionReader], reason: str) -> None:
        """Forget readers; what is under way of them is not committed here."""
        events = 0
        for partition, reader in readers.items():
            events += reader.abandon(reason)
            if self._readers.get(partition) is reader:  # it may have come back meanwhile
                del self._readers[partition]
        if events:
            log.warning("%d events under way are given back: %s", events, reason)
            self._give_back()

    # -- troubles and numbers -------------------------------------------------------------

    def troubles(self) -> list[str]:
        """Why nothing, or not all, is read, a sentence each; empty where all is well."""
        consumer = self._consumer
        return self._troubles.sentences(consumer.statistics if consumer else None)

    def _lag(self, reader: PartitionReader) -> int | None:
        """Records that are not safe yet, those not read included; None where it is not known."""
        if self._consumer is None or (safe := reader.offsets.safe) is None:
            return None
        end = self._consumer.statistics.end_of(*reader.partition)
        return None if end is None else max(0, end - safe)

    def _lag_of_all(self) -> int | None:
        lags = [self._lag(reader) for reader in self._readers.values()]
        known = [lag for lag in lags if lag is not None]
        return sum(known) if known else None

    def _age(self, reader: PartitionReader) -> float:
        began_at = reader.offsets.oldest_began_at
        return 0.0 if began_at is None else self._clock.monotonic() - began_at

    def _refresh(self) -> None:
        lags: dict[tuple[str, int], int] = {}
        ages: dict[str, float] = {}
        for partition, reader in self._readers.items():
            if (lag := self._lag(reader)) is not None:
                lags[partition] = lag
            ages[partition.topic] = max(ages.get(partition.topic, 0.0), self._age(reader))
        self.books.show_lags(lags, ages)

    def status(self) -> dict[str, object]:
        """The part of /status about it; the first partitions are listed."""
        consumer = self._consumer
        return {
            "topics": list(self._settings.topics),
            "group": self._settings.group,
            "group_state": consumer.statistics.group_state if consumer else "",
            "rebalances": consumer.statistics.rebalances if consumer else 0,
            "partitions": len(self._readers),
            "events": self.books.row(),
            "lag": self._lag_of_all(),
            "lag_growing_seconds": round(self._trend.growing_seconds),
            "oldest_seconds": round(max(map(self._age, self._readers.values()), default=0.0), 1),
            "commits": {"done": self.books.commits_done, "refused": self.books.commits_refused},
            "commit_error": self._troubles.commit_error,
            "lost_records": self.books.lost,
            "troubles": self.troubles(),
            "partition_bytes_limit": self._settings.partition_bytes,
            "outstanding_events": sum(one.outstanding_events for one in self._readers.values()),
            "outstanding_bytes": sum(one.outstanding_bytes for one in self._readers.values()),
            "listed": [
                self._row(self._readers[one]) for one in sorted(self._readers)[:LISTED_PARTITIONS]
            ],
        }

    def _row(self, reader: PartitionReader) -> dict[str, object]:
        return {
            "topic": reader.partition.topic,
            "partition": reader.partition.number,
            "safe": reader.offsets.safe,
            "committed": reader.committed,
            "lag": self._lag(reader),
            "outstanding_events": reader.outstanding_events,
            "outstanding_bytes": reader.outstanding_bytes,
            "oldest_seconds": round(self._age(reader), 1),
            "paused": reader.is_paused,
        }


def _usable(
    settings: KafkaSourceSettings, properties: Mapping[str, object] | None
) -> dict[str, object]:
    """Raise KafkaUnusable where the client library is missing, or refuses these."""
    found = {**_properties(settings), **(properties or {})}
    require_usable(found)
    return found


def _properties(settings: KafkaSourceSettings) -> dict[str, object]:
    """The client library's, secrets included."""
    # What is fetched ahead of a partition takes as much memory as what is under way of it.
    kib = max(1, settings.partition_bytes // 1024)
    session = int(settings.session_seconds * 1000)
    return {
        **settings.properties(),
        "group.id": settings.group,
        "session.timeout.ms": session,
        "heartbeat.interval.ms": max(100, session // 15),
        "max.poll.interval.ms": max(300_000, session),
        "queued.max.messages.kbytes": kib,
    }


def _revoke_seconds(properties: Mapping[str, object]) -> float:
    """A member that holds a rebalance up for longer than it may go without a poll is put out."""
    return min(REVOKE_SECONDS, int(str(properties["max.poll.interval.ms"])) / 4000)


def _start(text: str) -> str | int:
    if text in ("earliest", "latest"):
        return text
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _named(partitions: Collection[Partition]) -> str:
    """Partitions for a log line, by topic."""
    if not partitions:
        return (
            "no partition (others hold them and may hand some over, or the group has more members "
            "than partitions, or no topic is there)"
        )
    by_topic: dict[str, list[str]] = {}
    for topic, number in sorted(partitions):
        by_topic.setdefault(topic, []).append(str(number))
    shown = [f"{topic} {', '.join(numbers)}" for topic, numbers in list(by_topic.items())[:10]]
    return "; ".join(shown) + (" ..." if len(by_topic) > 10 else "")
