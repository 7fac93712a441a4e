"""Aggregated taps and `why` of several workers.

A tap is one stream from each worker; lines are passed on as they arrive and counts are added
up. A worker that starts later is added; when one ends, only what it had not sent is lost.
What waits for the reader is bounded, as with one worker.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from ptingest.errors import PtingestError, RpcClosed, RpcRefused, TapsBusy
from ptingest.model.contracts import Clock
from ptingest.model.watching import TapRequest, WhyRequest
from ptingest.observe.taps import BUFFER_BYTES, REPORT_SECONDS, TAPS, query_test, taps_status
from ptingest.observe.trace import TRACES_MOST
from ptingest.workers.messages import TAP, WHY, TapLines
from ptingest.workers.pool import WorkerPool
from ptingest.workers.rpc import OpenStream, RpcConnection

WHY_SECONDS = 5.0
STREAM_ITEMS = 64
"""Items of one worker that may wait to be merged."""
JOIN_SECONDS = 1.0
"""How often the tap checks for a worker that it does not read yet."""
COUNTS = ("passed", "shown", "skipped", "lost")

_json = msgspec.json.Encoder().encode


class AggregatedTap:
    """One reader's tap on all workers; implements ``TapReader``."""

    def __init__(self, pool: WorkerPool, wish: TapRequest, on_closed: Any) -> None:
        self._pool, self._wish, self._on_closed = pool, wish, on_closed
        self._streams: dict[RpcConnection, OpenStream[TapLines]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: dict[RpcConnection, dict[str, int]] = {}
        self._lines: list[bytes] = []
        self.size = 0
        self._lost = 0
        self._more = asyncio.Event()
        self._reported: dict[str, int] = {}
        self._reported_at = float("-inf")
        self._ending: str | None = None
        self._is_over = False
        self._join()

    def _join(self) -> None:
        for worker in self._pool.workers:
            rpc = worker.rpc
            if not worker.is_answering or rpc is None or rpc in self._streams:
                continue
            try:
                stream = rpc.stream(TAP, self._wish, room=STREAM_ITEMS)
            except RpcClosed:
                continue  # it is ending
            self._streams[rpc] = stream
            task = asyncio.create_task(self._pump(rpc, stream), name=f"tap {worker.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, rpc: RpcConnection, stream: OpenStream[TapLines]) -> None:
        try:
            async for item in stream:
                for line in item.lines.splitlines(keepends=True):
                    self._take(rpc, line)
        except RpcRefused as refusal:
            self.end(f"a worker cannot be tapped: {refusal}")
        finally:
            stream.close()

    def _take(self, rpc: RpcConnection, line: bytes) -> None:
        if line.startswith(b'{"told":'):
            self._counts[rpc] = msgspec.json.decode(line)["told"]
        elif line.startswith(b'{"ended":'):
            return  # that worker ends; the others go on
        elif self.size + len(line) > BUFFER_BYTES:
            self._lost += 1
            return
        else:
            self._lines.append(line)
            self.size += len(line)
        self._more.set()

    async def read(self) -> bytes:
        """Wait for lines or new counts; returns whole lines, and nothing once the tap has ended."""
        if self._is_over:
            return b""
        loop = asyncio.get_running_loop()
        while True:
            self._join()
            if self._lines or self._ending is not None:
                break
            try:
                async with asyncio.timeout(JOIN_SECONDS):
                    await self._more.wait()
            except TimeoutError:
                break  # an empty answer shows whether the reader is still connected
            self._more.clear()
            is_due = loop.time() - self._reported_at >= REPORT_SECONDS
            if is_due and self._summed() != self._reported:
                break
        lines, self._lines, self.size = self._lines, [], 0
        self._more.clear()
        if self._ending is not None or loop.time() - self._reported_at >= REPORT_SECONDS:
            self._reported, self._reported_at = self._summed(), loop.time()
            lines.append(_json({"told": self._reported}) + b"\n")
        if self._ending is not None:
            lines.append(_json({"ended": self._ending}) + b"\n")
            self._is_over = True
        return b"".join(lines)

    def _summed(self) -> dict[str, int]:
        found = {name: sum(one[name] for one in self._counts.values()) for name in COUNTS}
        found["lost"] += self._lost + sum(stream.lost for stream in self._streams.values())
        return found

    def end(self, why: str) -> None:
        """Send the waiting lines, the counts and this reason; then end."""
        if self._ending is None:
            self._ending = why
        self._more.set()

    def close(self) -> None:
        """The reader has left."""
        self._on_closed(self)
        for stream in self._streams.values():
            stream.close()
        for task in self._tasks:
            task.cancel()
        self.end("closed")


class AggregatedWatch:
    """Implements ``TapService`` and ``TraceService`` for a supervisor."""

    def __init__(self, pool: WorkerPool, *, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self.open: list[AggregatedTap] = []

    async def begin(self, wish: TapRequest) -> AggregatedTap:
        """Open a tap on all workers.

        Raises:
            QueryInvalid: with the column.
            TapsBusy: there are as many as may be.
        """
        now = datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)
        await asyncio.to_thread(query_test, wish.query, now)
        if len(self.open) >= TAPS:
            raise TapsBusy(limit=TAPS)
        tap = AggregatedTap(self._pool, wish, self._forget)
        self.open.append(tap)
        return tap

    def _forget(self, tap: AggregatedTap) -> None:
        if tap in self.open:
            self.open.remove(tap)

    def end_all(self, why: str) -> None:
        """End all taps; ``why`` is shown to the readers."""
        for tap in self.open:
            tap.end(why)

    def status(self) -> dict[str, object]:
        """The keys of /status that are not the sum over the workers."""
        return taps_status([tap.size for tap in self.open])

    async def why(self, question: WhyRequest) -> dict[str, object]:
        """Return what all workers remember; ``silent`` names those that did not answer."""
        answers = await self._pool.request_all(WHY, question, seconds=WHY_SECONDS)
        found: list[dict[str, Any]] = []
        memories: list[dict[str, Any]] = []
        silent: dict[str, str] = {}
        matching = 0
        for number, answer in sorted(answers.items()):
            if isinstance(answer, PtingestError):
                silent[f"worker {number}"] = str(answer)
                continue
            one: dict[str, Any] = dict(answer)
            memories.append(one["memory"])
            matching += one["matching"]
            found += [{"worker": number, **trace} for trace in one["found"]]
        found.sort(key=lambda trace: str(trace["arrived_at"]), reverse=True)
        return {
            "found": found[:TRACES_MOST],
            "matching": matching,
            "memory": _one_memory(memories),
            "silent": silent,
        }


def _one_memory(memories: list[dict[str, Any]]) -> dict[str, object]:
    """Sums, and the longest time that any worker remembers."""
    whole: dict[str, object] = {
        name: sum(memory[name] for memory in memories)
        for name in ("bytes", "limit_bytes", "whole_events", "id_events")
    }
    for name in ("whole_seconds", "seconds"):
        whole[name] = max((memory[name] for memory in memories), default=0.0)
    return {**whole, "setting": "why.max_bytes"}
