"""The null Elasticsearch with a temper: so long for a bulk, so many at once, 429 beyond.

A bulk takes a fixed time and a time a MiB on one of a few workers. What finds no worker
waits in a queue; what finds no place there is answered 429 as a whole, as Elasticsearch
does when its write queue is full. No time is burnt: it waits.

    python -m benchmarks.shaped_elasticsearch --fixed-ms 50 --ms-per-mib 100 --workers 4
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal

from benchmarks.null_elasticsearch import Conversation, Counts

_BUSY = (
    b'{"error":{"type":"es_rejected_execution_exception","reason":"queue is full"},"status":429}'
)


class Temper:
    """The workers and the queue before them, shared by all connections."""

    def __init__(
        self, *, fixed_seconds: float, seconds_per_mib: float, workers: int, queue: int
    ) -> None:
        self._fixed, self._per_mib = fixed_seconds, seconds_per_mib
        self._room = workers + queue
        self._workers = asyncio.Semaphore(workers)
        self._inside = 0

    async def take(self, size: int) -> bool:
        """Return once a bulk of ``size`` bytes is done; False at once where there is no room."""
        if self._inside >= self._room:
            return False
        self._inside += 1
        try:
            async with self._workers:
                await asyncio.sleep(self._fixed + self._per_mib * size / (1 << 20))
        finally:
            self._inside -= 1
        return True


class ShapedConversation(Conversation):
    """Answers a bulk when the temper is done with it."""

    def __init__(self, counts: Counts, temper: Temper) -> None:
        super().__init__(counts)
        self._temper = temper
        self._tasks: set[asyncio.Task[None]] = set()

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        if "/_bulk" not in target:
            super()._answer(method, target, headers, body)
            return
        task = asyncio.get_running_loop().create_task(self._later(method, target, headers, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _later(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        size = len(body)
        if headers.get("content-encoding") == "gzip":
            # The last four bytes of a gzip stream: how long it is without.
            size = int.from_bytes(body[-4:], "little")
        if await self._temper.take(size):
            super()._answer(method, target, headers, body)
            return
        self._transport.write(
            b"HTTP/1.1 429 Too Many Requests\r\nX-Elastic-Product: Elasticsearch\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BUSY) + _BUSY
        )


async def serve(given: argparse.Namespace) -> None:
    """Serve on loopback until SIGINT or SIGTERM."""
    counts, loop, stop = Counts(remember=False), asyncio.get_running_loop(), asyncio.Event()
    temper = Temper(
        fixed_seconds=given.fixed_ms / 1000,
        seconds_per_mib=given.ms_per_mib / 1000,
        workers=given.workers,
        queue=given.queue,
    )
    server = await loop.create_server(lambda: ShapedConversation(counts, temper), "127.0.0.1", 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"port": port, "pid": os.getpid()}), flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="An Elasticsearch that takes its time.")
    parser.add_argument("--fixed-ms", type=float, default=50)
    parser.add_argument("--ms-per-mib", type=float, default=100)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--queue", type=int, default=20)
    import uvloop

    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
