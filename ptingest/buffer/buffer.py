"""The buffer in Kafka: a window is safe when all in-sync replicas have its records.

    admit    payloads in runs of 1 MiB, compressed, the budget taken for each record
    append   records to the client; several are under way at once
    settle   a record is confirmed: its events are safe, its receipt is told
    again    a record was not confirmed: it is sent again after a pause
    smaller  a record is larger than the brokers take: it is divided; one event that is too
             large even alone becomes a dead letter

While brokers are away, records wait in the client's queue. The budget bounds them, and what
does not fit waits in ``admit``, so windows wait and Beats get keepalives. A record that may have
been written is sent again, too: events that are in the topic twice have the same keys, by which
they are recognised where they are read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from ptingest.buffer.books import BufferBooks
from ptingest.buffer.watch import TopicWatch
from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.budget import Budget
from ptingest.errors import DeadLettersFull, DeadLettersUnwritable, NotAppended
from ptingest.kafka.producer import KafkaProducer, require_usable
from ptingest.kafka.record import BufferRecord, Packed, ReadRecord, decode, pack, runs
from ptingest.model.contracts import Checkpoint, Clock
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, Fate
from ptingest.model.receipt import Receipt
from ptingest.settings.kafka import KafkaBufferSettings
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

TOO_LARGE = "MSG_SIZE_TOO_LARGE"
CUT_SHORT = "admission was cut short"
AGAIN_SECONDS = 1.0
"""How long records that were refused wait before they are sent again."""
LOOK_SECONDS = 5.0
"""The topic is looked at when no record was confirmed for this long."""
LIMITS_SECONDS = 60.0
"""How often the topic is asked whether it takes larger records by now."""
STUCK_SECONDS = 15.0
"""A record that is not confirmed for this long is trouble, whatever the brokers say."""
CHEAPER_THAN_PIPELINE = 8
"""Compressing events takes about this many times less than the rules for them do."""
SMALLEST_BYTES = 10_000
"""No topic is taken to allow only smaller records, whatever is refused."""
THREAD_BYTES = 4 << 20
"""A run that is larger, which is one event, is compressed in a thread."""
RECORD_OVERHEAD_BYTES = 2048
"""What a record takes in memory beside its value, which is there twice: here and in the
client's queue."""


class _Append:
    """One record on its way, and whom to tell."""

    __slots__ = ("arrived_ns", "cost", "origin", "receipt", "record", "since", "under_bytes")

    def __init__(
        self, record: BufferRecord, receipt: Receipt, origin: Origin, arrived_ns: int, since: float
    ) -> None:
        self.record, self.receipt, self.origin = record, receipt, origin
        self.arrived_ns, self.since = arrived_ns, since
        self.cost = cost_of(record)
        self.under_bytes = 0
        """The limit of records when it was last sent."""


def cost_of(record: BufferRecord) -> int:
    """What a record takes of the budget until it is confirmed, in bytes."""
    return 2 * len(record.value) + RECORD_OVERHEAD_BYTES


class KafkaBuffer:
    """Appends windows to a topic; implements ``model.contracts.Buffer``."""

    def __init__(
        self,
        settings: KafkaBufferSettings,
        *,
        budget: Budget,
        dead_letters: DeadLetters,
        checkpoint: Checkpoint,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """``budget`` is the buffer's own: where one process has all roles, documents that wait
        for sinks must not keep windows from being taken.

        Raises KafkaUnusable where the client library is missing, or would refuse the settings.
        """
        require_usable(settings.properties(), message_bytes=settings.record_bytes)
        self.topic, self._budget = settings.topic, budget
        self.limit_bytes = self._most_bytes = int(settings.record_bytes)
        """The largest record that is written; lower where the topic takes less."""
        self._told_bytes: int | None = None
        """What the topic said last that it takes."""
        self._properties = settings.properties()
        self._dead_letters, self._checkpoint = dead_letters, checkpoint
        self._metrics, self._clock = metrics, clock
        self.books = BufferBooks(metrics)
        self._producer: KafkaProducer | None = None
        self._watch: TopicWatch | None = None
        self._started, self._wake, self._moved = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._appends: dict[_Append, None] = {}
        """Every record whose fate is not decided, the oldest first."""
        self._again: list[_Append] = []
        self._too_large: list[_Append] = []
        self._confirmed_at = float("-inf")
        metrics.before_scrape(self._refresh)

    # -- in ------------------------------------------------------------------------------

    async def admit(self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        """Hand ``payloads`` to the client; see ``contracts.Admit``."""
        await self._started.wait()
        for run in runs(payloads):
            if receipt.failed is not None:
                return
            await self._admit_run(run, receipt, origin)

    async def _admit_run(self, run: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        size = sum(map(len, run))
        await self._checkpoint(size // CHEAPER_THAN_PIPELINE)
        await self._budget.take(size)
        arrived_ns = self._clock.time_ns()
        try:
            packed = await self._pack(run, origin, arrived_ns)
        except BaseException:
            self._budget.release(size)
            raise
        receipt.expect(len(run))
        self.books.receive(len(run))
        appends = self._open(packed, receipt, origin, arrived_ns)
        self._budget.release(size)
        await self._keep_letters_of(packed, appends, receipt, origin)
        await self._send(appends)

    async def look_again(self) -> None:
        """Ask how large records may be, now: an operator says that the topic takes larger ones.

        Where nobody may ask, the brokers are tried with the largest that the settings allow.
        """
        await self._started.wait()
        assert self._watch is not None
        await self._watch.ask_limits()
        self._follow_topic(self._watch)
        if self._watch.limits is None:
            self._set_limit(self._most_bytes)

    async def _pack(self, run: Sequence[bytes], origin: Origin, arrived_ns: int) -> Packed:
        work = partial(
            pack, run, limit_bytes=self.limit_bytes, origin=origin, arrived_ns=arrived_ns
        )
        if len(run) == 1 and len(run[0]) > THREAD_BYTES:
            return await asyncio.to_thread(work)
        return work()

    def _open(
        self, packed: Packed, receipt: Receipt, origin: Origin, arrived_ns: int
    ) -> list[_Append]:
        now = self._clock.monotonic()
        appends = [_Append(one, receipt, origin, arrived_ns, now) for one in packed.records]
        self._appends.update(dict.fromkeys(appends))
        self._budget.charge(sum(one.cost for one in appends))
        return appends

    async def _keep_letters_of(
        self, packed: Packed, appends: Sequence[_Append], receipt: Receipt, origin: Origin
    ) -> None:
        """Write what no record can hold; where that is cut short, the records beside it are given
        back."""
        try:
            await self._keep_letters(packed.too_large, receipt, origin)
        except BaseException:
            for one in appends:
                self._give_back(one, CUT_SHORT)
            raise

    async def _keep_letters(
        self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin
    ) -> None:
        """Write events that no record can hold to the dead letters."""
        if not payloads:
            return
        try:
            await self._dead_letters.put([self._letter(one, origin) for one in payloads])
        except BaseException as error:
            self.books.give_back(len(payloads))
            receipt.fail(str(error) or CUT_SHORT)
            if not isinstance(error, DeadLettersFull | DeadLettersUnwritable):
                raise
            return
        self.books.dead_letter(len(payloads))
        receipt.settle(len(payloads), Fate.DEAD_LETTERED)

    def _letter(self, payload: bytes, origin: Origin) -> DeadLetter:
        return DeadLetter(
            reason="too_large_for_buffer",
            detail=(
                f"an event of {len(payload)} bytes is more than {self.limit_bytes} bytes "
                f"compressed, the largest record of topic {self.topic}; raise the topic's "
                "max.message.bytes and buffer.kafka.record_bytes, then requeue it"
            ),
            payload=payload,
            service="other",
            peer=origin.peer,
        )

    # -- out -----------------------------------------------------------------------------

    async def _send(self, appends: Sequence[_Append]) -> None:
        """Hand records to the client; what was not handed over when this is cut short is given
        back."""
        assert self._producer is not None
        handed = 0
        try:
            for append in appends:
                record, append.under_bytes = append.record, self.limit_bytes
                sent = await self._producer.send(self.topic, record.value, record.headers)
                sent.add_done_callback(partial(self._answered, append))
                handed += 1
        except BaseException:
            for append in appends[handed:]:
                self._give_back(append, CUT_SHORT)
            raise

    def _answered(self, append: _Append, sent: asyncio.Future[None]) -> None:
        # Asked for also where nobody waits for it any more: asyncio would call it an error.
        error = None if sent.cancelled() else sent.exception()
        if sent.cancelled() or append not in self._appends:
            return
        if error is None:
            self._confirm(append)
            return
        assert isinstance(error, NotAppended)
        if error.name == TOO_LARGE:
            self._too_large.append(append)
        else:
            self._again.append(append)
            # These are what became of a client that was replaced.
            if self._watch is not None and not error.name.startswith(("_PURGE", "_DESTROY")):
                self._watch.refused(error)
        self._wake.set()

    def _confirm(self, append: _Append) -> None:
        assert self._watch is not None
        now, record = self._clock.monotonic(), append.record
        self._forget(append)
        self._confirmed_at = now
        self._watch.confirmed()
        self.books.append(record.events, len(record.value), now - append.since)
        append.receipt.settle(record.events, Fate.BUFFERED)

    def _give_back(self, append: _Append, reason: str) -> None:
        self._forget(append)
        self.books.give_back(append.record.events)
        append.receipt.fail(reason)

    def _forget(self, append: _Append) -> None:
        del self._appends[append]
        self._budget.release(append.cost)
        if not self._appends:
            self._moved.set()

    # -- again, and smaller --------------------------------------------------------------

    async def run(self) -> None:
        """Append, send again and look at the topic, until cancelled."""
        self._producer = KafkaProducer(self._properties, message_bytes=self.limit_bytes)
        self._watch = TopicWatch(self.topic, self._properties, self._producer)
        self._started.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_on(self._watch), name="buffer watch")
            group.create_task(self._send_on(), name="buffer again")

    async def _look_on(self, watch: TopicWatch) -> None:
        ask_at = self._clock.monotonic() + LIMITS_SECONDS
        while True:
            now = self._clock.monotonic()
            if now - self._confirmed_at >= LOOK_SECONDS:
                await watch.look(has_waiting=bool(self._appends))
                self._follow_topic(watch)
            if self.limit_bytes < self._most_bytes and now >= ask_at:
                ask_at = now + LIMITS_SECONDS
                await watch.ask_limits()
                self._follow_topic(watch)
            await asyncio.sleep(LOOK_SECONDS)

    async def _send_on(self) -> None:
        while True:
            await self._wake.wait()
            # Others come in this time, and a broker that refuses is not asked all the time.
            await asyncio.sleep(AGAIN_SECONDS)
            self._wake.clear()
            await self._send_again()

    async def _send_again(self) -> None:
        again, self._again = self._again, []
        if self._too_large:
            again += await self._divide()
        for append in again:
            if append.receipt.failed is not None and append in self._appends:
                # Its Beat sends the window again: the topic need not have it twice.
                self._give_back(append, append.receipt.failed)
        await self._send([append for append in again if append in self._appends])

    async def _divide(self) -> list[_Append]:
        """Make smaller records of those that the brokers do not take."""
        assert self._watch is not None
        refused, self._too_large = self._too_large, []
        await self._watch.ask_limits()
        self._follow_topic(self._watch)
        # What was sent under another limit, or is above this one, tells nothing new.
        sizes = [one.record.size for one in refused if one.under_bytes == self.limit_bytes]
        largest = max((size for size in sizes if size <= self.limit_bytes), default=0)
        if largest:
            # It is not known what the brokers take. Several records may have been refused
            # together, so first none is sent with another one, then they are halved.
            smaller_bytes = largest if largest < self.limit_bytes else largest // 2
            self._set_limit(max(smaller_bytes, SMALLEST_BYTES))
        smaller: list[_Append] = []
        try:
            while refused:
                smaller += await self._divided(refused.pop())
        except BaseException:
            self._too_large += refused
            self._again += smaller
            raise
        return smaller

    async def _divided(self, append: _Append) -> list[_Append]:
        record, receipt, origin = append.record, append.receipt, append.origin
        if record.size <= self.limit_bytes:
            return [append]
        read = decode(record.value, record.headers, limit_bytes=1 << 40)
        assert isinstance(read, ReadRecord)
        packed = await self._pack(read.payloads, origin, append.arrived_ns)
        self._forget(append)
        appends = self._open(packed, receipt, origin, append.arrived_ns)
        await self._keep_letters_of(packed, appends, receipt, origin)
        return appends

    def _follow_topic(self, watch: TopicWatch) -> None:
        """Write records as large as the topic says, where it says something new."""
        told = watch.limits and watch.limits.record_bytes
        if told is not None and told != self._told_bytes:
            self._told_bytes = told
            self._set_limit(min(told, self._most_bytes))

    def _set_limit(self, limit_bytes: int) -> None:
        """Write no larger records than this from now on."""
        assert self._producer is not None
        if limit_bytes == self.limit_bytes:
            return
        level = logging.WARNING if limit_bytes < self.limit_bytes else logging.INFO
        log.log(
            level,
            "buffer: topic %s takes records of at most %d bytes (before: %d; "
            "buffer.kafka.record_bytes is %d); what is written follows it",
            *(self.topic, limit_bytes, self.limit_bytes, self._most_bytes),
        )
        self.limit_bytes = limit_bytes
        self._producer.restart(message_bytes=limit_bytes)

    # -- stop ----------------------------------------------------------------------------

    async def drain(self, deadline: float) -> int:
        """Return when all is confirmed, or at ``deadline``; how many events were not."""
        while self._appends and (left := deadline - self._clock.monotonic()) > 0:
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._moved.wait()
        return self.books.outstanding

    async def close(self) -> None:
        """Give back what is not confirmed, and end the client."""
        for append in list(self._appends):
            self._give_back(append, "Kafka did not confirm it before the server stopped")
        if self._producer is not None:
            await self._producer.close()

    # -- told ----------------------------------------------------------------------------

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest record waits to be confirmed; 0 where none does."""
        first = next(iter(self._appends), None)
        return 0.0 if first is None else self._clock.monotonic() - first.since

    def troubles(self) -> list[str]:
        """Why windows wait, a sentence each; empty where all is well."""
        if self._watch is not None and self._watch.trouble is not None:
            return [self._watch.trouble]
        if self._producer is not None and self._producer.trouble is not None:
            return [self._producer.trouble]
        if self.oldest_seconds > STUCK_SECONDS:
            return [f"Kafka has not confirmed a record for {self.oldest_seconds:.0f} s"]
        return []

    def status(self) -> dict[str, object]:
        """The part of /status about it."""
        state = self._watch.state if self._watch is not None else None
        return {
            "topic": self.topic,
            "topic_partitions": None if state is None or state.error else len(state.partitions),
            "record_bytes_limit": self.limit_bytes,
            "events": self.books.row(),
            "outstanding_records": len(self._appends),
            "outstanding_bytes": self._budget.outstanding,
            "outstanding_bytes_limit": self._budget.limit,
            "oldest_seconds": round(self.oldest_seconds, 3),
            "client_restarts": 0 if self._producer is None else self._producer.restarts,
            "troubles": self.troubles(),
        }

    def _refresh(self) -> None:
        metrics = self._metrics
        metrics.set("ptingest_buffer_outstanding_events", self.books.outstanding)
        metrics.set("ptingest_buffer_outstanding_bytes", self._budget.outstanding)
        metrics.set("ptingest_buffer_oldest_seconds", self.oldest_seconds)
        metrics.set("ptingest_buffer_is_in_trouble", bool(self.troubles()))
