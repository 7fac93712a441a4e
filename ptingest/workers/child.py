"""One of several workers: a process that a supervisor started and hands connections to.

    python -m ptingest.workers.child CONTROL HANDED      two inherited descriptors

It reads no config, listens nowhere and serves no HTTP: everything it knows comes over the
control channel. When that channel ends the supervisor is gone; what was taken is brought
home (a drain, as on SIGTERM) and the process leaves, so that nothing is ever orphaned.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial

import orjson

from ptingest.errors import ChannelRefused, ErrandRefused
from ptingest.model.contracts import Clock
from ptingest.model.letters import Order
from ptingest.model.watching import TapWish, WhyQuestion
from ptingest.server.assembly import build
from ptingest.server.event_loop.factory import loop_factory
from ptingest.server.event_loop.lag import keep_what_start_made
from ptingest.server.process.clock import SystemClock
from ptingest.server.reload import Fresh, compile_fresh, swap_parts
from ptingest.server.worker import Worker
from ptingest.server.worker_share import Share, share_of
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.logs import setup_logs
from ptingest.workers.fd_passing import take_over
from ptingest.workers.messages import (
    DRAIN,
    LOAD,
    LOOK,
    ORDER,
    PREPARE,
    PROGRESS,
    REPORT,
    START,
    SWAP,
    SWEEP,
    TAP,
    WHY,
    Config,
    Drained,
    Load,
    Progress,
    Report,
    Seen,
    Start,
    TapLines,
    unpack_config,
)
from ptingest.workers.rpc import NOTHING, Channel, Nothing, open_channel

log = logging.getLogger("ptingest.workers.child")  # it runs as __main__

REPORT_SECONDS = 1.0
LOAD_SECONDS = 0.02
"""Changes within so short a time are told together."""
ORPHAN_SECONDS = 30.0
"""How much longer than a drain a worker may outlive its supervisor, even when it hangs."""


class Supervised:
    """Answers the supervisor; runs one `Worker` from START to DRAIN."""

    def __init__(self, channel: Channel, handed: socket.socket, *, clock: Clock) -> None:
        self._channel, self._handed, self._clock = channel, handed, clock
        self._worker: Worker | None = None
        self._running: asyncio.Task[int] | None = None
        self._has_ended = asyncio.Event()
        self._fresh: Fresh | None = None
        self._over: list[int] = []
        self._telling: asyncio.TimerHandle | None = None
        channel.answers(START, self._start)
        channel.answers(PREPARE, self._prepare)
        channel.answers(SWAP, self._swap)
        channel.answers(LOOK, self._look)
        channel.answers(DRAIN, self._drain)
        channel.answers(ORDER, self._order)
        channel.answers(PROGRESS, self._progress)
        channel.answers(SWEEP, self._sweep)
        channel.answers(WHY, self._why)
        channel.feeds(TAP, self._tap)

    async def run(self) -> int:
        """Work until told to leave, or left alone; returns the exit code."""
        talking = asyncio.create_task(self._channel.run(), name="control")
        ended = asyncio.create_task(self._has_ended.wait())
        await asyncio.wait([talking, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if self._running is None:
            return 0  # nothing was begun
        if not self._has_ended.is_set():
            log.error("the supervisor is gone: finishing what was taken, then leaving")
            self.stop()
        await asyncio.wait([self._running])
        code = 1 if self._running.exception() else 0
        await self._channel.finish()
        await talking
        return code

    def stop(self) -> None:
        """Ask the worker for a drain."""
        if self._worker is not None:
            self._worker.stop()
            self._tell_soon()

    # -- what the supervisor asks -----------------------------------------------------------

    async def _start(self, start: Start) -> Nothing:
        share = Share(start.number, start.workers)
        settings, profile = unpack_config(start.config)
        self._setup_logs(settings, share)
        parts = build(share_of(settings, share), profile, clock=self._clock, share=share)
        worker = self._worker = Worker(parts, is_supervised=True)
        parts.source.on_accepting = self._tell_soon
        self._running = asyncio.create_task(self._work(worker), name="worker")
        started = asyncio.create_task(worker.started.wait())
        await asyncio.wait([self._running, started], return_when=asyncio.FIRST_COMPLETED)
        if not worker.started.is_set():
            started.cancel()
            error = self._running.exception()
            raise error if error is not None else ChannelRefused(kind="", text="it was stopped")
        keep_what_start_made()
        log.info("started, pid %d", os.getpid())
        return NOTHING

    def _setup_logs(self, settings: ServerSettings, share: Share) -> None:
        setup_logs(settings.log, process=f"worker {share.number}")

    async def _prepare(self, config: Config) -> Nothing:
        parts = self._present().parts
        settings, profile = unpack_config(config)
        mine = share_of(settings, parts.share)
        self._fresh = await asyncio.to_thread(compile_fresh, mine, profile)
        return NOTHING

    async def _swap(self, _: Nothing) -> Nothing:
        worker, fresh = self._present(), self._fresh
        if fresh is not None:
            self._fresh = None
            swap_parts(worker.parts, fresh)
            self._setup_logs(fresh.settings, worker.parts.share)
        return NOTHING

    async def _look(self, _: Nothing) -> Seen:
        view = self._present().view
        status = orjson.dumps(view.status(), option=orjson.OPT_NON_STR_KEYS)
        return Seen(self._present().parts.metrics.samples(), status, view.readiness())

    async def _drain(self, _: Nothing) -> Drained:
        self._present()
        self.stop()
        await self._has_ended.wait()  # the last report is told by then
        assert self._running is not None
        return Drained(await self._running)

    async def _order(self, order: Order) -> Progress:
        return self._present().parts.errands.begin(order)

    async def _progress(self, _: Nothing) -> Progress:
        return self._present().parts.errands.progress()

    async def _sweep(self, _: Nothing) -> Nothing:
        await self._present().parts.dead_letters.sweep()
        return NOTHING

    async def _why(self, question: WhyQuestion) -> Progress:
        return await self._present().parts.storyteller.why(question)

    async def _tap(self, wish: TapWish) -> AsyncIterator[TapLines]:
        tap = await self._present().parts.observer.taps.begin(wish)
        try:
            while lines := await tap.read():
                yield TapLines(lines)
        finally:
            tap.close()

    def _present(self) -> Worker:
        if self._worker is None:
            raise ErrandRefused(why="this worker was not started yet")
        return self._worker

    # -- the work ---------------------------------------------------------------------------

    async def _work(self, worker: Worker) -> int:
        running = asyncio.create_task(worker.run(), name="worker parts")
        pending = {
            running,
            asyncio.create_task(self._take_over(worker), name="handed over"),
            asyncio.create_task(self._report(worker), name="reports"),
        }
        try:
            while not running.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    # A worker that takes no connections, or says nothing, must not stay.
                    task.result()
            return running.result()
        except BaseException:
            log.critical("a part of this worker died; leaving, so that it is started again")
            raise
        finally:
            for task in (running, *pending):
                task.cancel()
            await asyncio.gather(running, return_exceptions=True)
            worker.parts.metrics.refresh()
            self._channel.tell(REPORT, self._report_of(worker))
            self._has_ended.set()

    async def _take_over(self, worker: Worker) -> None:
        """Take what the supervisor accepted, for ever: what comes while we drain is closed."""
        await worker.started.wait()
        while (handed := await take_over(self._handed)) is not None:
            number, accepted = handed
            if accepted is None:
                log.error("cannot take a connection: too many open files, or it is gone already")
                self._is_over(number)
            else:
                await worker.parts.source.adopt(accepted, partial(self._is_over, number))

    def _is_over(self, number: int) -> None:
        self._over.append(number)
        self._tell_soon()

    def _tell_soon(self) -> None:
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(LOAD_SECONDS, self._tell_load)

    def _tell_load(self) -> None:
        self._telling = None
        if self._worker is not None:
            load = self._load_of(self._worker)
            if not self._channel.tell(LOAD, load):
                self._over += load.left  # told with the next report that can be sent

    async def _report(self, worker: Worker) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            worker.parts.metrics.refresh()
            report = self._report_of(worker)
            if not self._channel.tell(REPORT, report):
                self._over += report.load.left

    def _report_of(self, worker: Worker) -> Report:
        return Report(self._load_of(worker), worker.parts.metrics.samples())

    def _load_of(self, worker: Worker) -> Load:
        left, self._over = self._over, []
        received = worker.parts.metrics.labelled("ptingest_flow_received_events_total")
        return Load(
            connections=worker.parts.source.load,
            events=int(sum(count for _, count in received)),
            is_accepting=worker.parts.source.is_accepting,
            is_draining=worker.is_stopping,
            left=left,
        )


async def serve_supervised(control: socket.socket, handed: socket.socket) -> int:
    """Run until the supervisor says so, or is gone; returns the exit code."""
    control.setblocking(False)
    channel = await open_channel(control, name="the supervisor")
    supervised = Supervised(channel, handed, clock=SystemClock())
    loop = asyncio.get_running_loop()
    # The supervisor gives the orders; whoever signals one worker alone wants that one to go.
    loop.add_signal_handler(signal.SIGTERM, supervised.stop)
    for number in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: None)
    return await supervised.run()


def never_outlive(control: socket.socket, seconds: float) -> None:
    """In a thread: end this process some time after its supervisor, even if its loop hangs."""
    poll = select.poll()
    poll.register(control, select.POLLRDHUP)
    while not poll.poll():
        pass
    time.sleep(seconds)
    os._exit(1)


def main(arguments: Sequence[str]) -> int:
    """Run one worker on the two descriptors it inherited."""
    control, handed = (socket.socket(fileno=int(one)) for one in arguments[:2])
    watched = control.dup()
    seconds = float(arguments[2]) + ORPHAN_SECONDS
    threading.Thread(target=never_outlive, args=(watched, seconds), daemon=True).start()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(serve_supervised(control, handed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
