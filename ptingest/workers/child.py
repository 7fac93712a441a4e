"""A worker process (child) of a supervisor, which passes connections to it.

    python -m ptingest.workers.child CONTROL SOCKETS DRAIN_SECONDS    two inherited descriptors

It reads no config, listens on no port and serves no HTTP: everything comes over the rpc
connection CONTROL. When that ends, the supervisor is gone; the worker drains, as on SIGTERM,
and exits, so that no process is orphaned.
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

from ptingest.errors import JobRefused, RpcRefused
from ptingest.model.advice import naming_config
from ptingest.model.contracts import Clock
from ptingest.model.letters import Order
from ptingest.model.watching import TapRequest, WhyRequest
from ptingest.server.assembly import build
from ptingest.server.event_loop.factory import loop_factory
from ptingest.server.event_loop.lag import freeze_startup_objects
from ptingest.server.process.clock import SystemClock
from ptingest.server.reload import PreparedConfig, compile_config, put_in_force
from ptingest.server.worker import Worker
from ptingest.server.worker_share import Share, share_of
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.logs import setup_logs
from ptingest.workers.fd_passing import receive_socket
from ptingest.workers.messages import (
    DRAIN,
    LOAD,
    ORDER,
    PREPARE,
    PROGRESS,
    REPORT,
    SNAPSHOT,
    START,
    SWAP,
    SWEEP,
    TAP,
    WHY,
    Config,
    Drained,
    Progress,
    Start,
    TapLines,
    WorkerLoad,
    WorkerReport,
    WorkerSnapshot,
    unpack_config,
)
from ptingest.workers.rpc import NOTHING, Nothing, RpcConnection, open_rpc

log = logging.getLogger("ptingest.workers.child")  # it runs as __main__

REPORT_SECONDS = 1.0
LOAD_SECONDS = 0.02
"""Changes within this time are sent together."""
ORPHAN_SECONDS = 30.0
"""A worker outlives its supervisor by the drain and at most this time, even when it hangs."""


class WorkerProcess:
    """Answers the requests of the supervisor; runs one `Worker` from START to DRAIN."""

    def __init__(self, rpc: RpcConnection, sockets: socket.socket, *, clock: Clock) -> None:
        self._rpc, self._sockets, self._clock = rpc, sockets, clock
        self._worker: Worker | None = None
        self._running: asyncio.Task[int] | None = None
        self._has_ended = asyncio.Event()
        self._fresh: PreparedConfig | None = None
        self._config_path: str | None = None
        self._ended: list[int] = []
        self._sending: asyncio.TimerHandle | None = None
        rpc.on_request(START, self._start)
        rpc.on_request(PREPARE, self._prepare)
        rpc.on_request(SWAP, self._swap)
        rpc.on_request(SNAPSHOT, self._refresh_all)
        rpc.on_request(DRAIN, self._drain)
        rpc.on_request(ORDER, self._order)
        rpc.on_request(PROGRESS, self._progress)
        rpc.on_request(SWEEP, self._sweep)
        rpc.on_request(WHY, self._why)
        rpc.on_stream(TAP, self._tap)

    async def run(self) -> int:
        """Run until DRAIN, a signal, or the end of the supervisor; returns the exit code."""
        serving = asyncio.create_task(self._rpc.run(), name="control")
        ended = asyncio.create_task(self._has_ended.wait())
        await asyncio.wait([serving, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if self._running is None:
            return 0  # START never came
        if not self._has_ended.is_set():
            log.error("the supervisor is gone: draining, then exiting")
            self.stop()
        await asyncio.wait([self._running])
        code = 1 if self._running.exception() else 0
        await self._rpc.finish()
        await serving
        return code

    def stop(self) -> None:
        """Ask the worker for a drain."""
        if self._worker is not None:
            self._worker.stop()
            self._send_load_soon()

    # -- requests of the supervisor ---------------------------------------------------------

    async def _start(self, start: Start) -> Nothing:
        share = Share(start.number, start.workers)
        settings, profile = unpack_config(start.config)
        self._config_path = start.config_path
        self._setup_logs(settings, share)
        parts = build(share_of(settings, share), profile, clock=self._clock, share=share)
        worker = self._worker = Worker(parts, is_supervised=True)
        parts.source.acceptor.on_change = self._send_load_soon
        self._running = asyncio.create_task(self._work(worker), name="worker")
        started = asyncio.create_task(worker.started.wait())
        await asyncio.wait([self._running, started], return_when=asyncio.FIRST_COMPLETED)
        if not worker.started.is_set():
            started.cancel()
            error = self._running.exception()
            raise error if error is not None else RpcRefused(kind="", text="it was stopped")
        freeze_startup_objects()
        log.info("started, pid %d", os.getpid())
        return NOTHING

    def _setup_logs(self, settings: ServerSettings, share: Share) -> None:
        setup_logs(
            settings.log,
            process=f"worker {share.number}",
            reword=partial(naming_config, config=self._config_path),
        )

    async def _prepare(self, config: Config) -> Nothing:
        parts = self._started().parts
        settings, profile = unpack_config(config)
        mine = share_of(settings, parts.share)
        self._fresh = await asyncio.to_thread(compile_config, mine, profile)
        return NOTHING

    async def _swap(self, _: Nothing) -> Nothing:
        worker, fresh = self._started(), self._fresh
        if fresh is not None:
            self._fresh = None
            put_in_force(worker.parts, fresh)
            self._setup_logs(fresh.settings, worker.parts.share)
        return NOTHING

    async def _refresh_all(self, _: Nothing) -> WorkerSnapshot:
        view = self._started().view
        status = orjson.dumps(view.status(), option=orjson.OPT_NON_STR_KEYS)
        return WorkerSnapshot(self._started().parts.metrics.samples(), status, view.readiness())

    async def _drain(self, _: Nothing) -> Drained:
        self._started()
        self.stop()
        await self._has_ended.wait()  # the last report is sent by then
        assert self._running is not None
        return Drained(await self._running)

    async def _order(self, order: Order) -> Progress:
        return self._started().parts.jobs.begin(order)

    async def _progress(self, _: Nothing) -> Progress:
        return self._started().parts.jobs.progress()

    async def _sweep(self, _: Nothing) -> Nothing:
        await self._started().parts.dead_letters.sweep()
        return NOTHING

    async def _why(self, question: WhyRequest) -> Progress:
        return await self._started().parts.trace_reader.why(question)

    async def _tap(self, wish: TapRequest) -> AsyncIterator[TapLines]:
        tap = await self._started().parts.observer.taps.begin(wish)
        try:
            while lines := await tap.read():
                yield TapLines(lines)
        finally:
            tap.close()

    def _started(self) -> Worker:
        if self._worker is None:
            raise JobRefused(why="this worker has not started yet")
        return self._worker

    # -- the work ---------------------------------------------------------------------------

    async def _work(self, worker: Worker) -> int:
        running = asyncio.create_task(worker.run(), name="worker parts")
        pending = {
            running,
            asyncio.create_task(self._take_over(worker), name="sockets"),
            asyncio.create_task(self._report(worker), name="reports"),
        }
        try:
            while not running.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    # A worker that takes no connections or sends no reports must not go on.
                    task.result()
            return running.result()
        except BaseException:
            log.critical("a task of this worker failed; exiting, so that it is started again")
            raise
        finally:
            for task in (running, *pending):
                task.cancel()
            await asyncio.gather(running, return_exceptions=True)
            worker.parts.metrics.refresh()
            self._rpc.notify(REPORT, self._report_of(worker))
            self._has_ended.set()

    async def _take_over(self, worker: Worker) -> None:
        """Receive sockets until the supervisor is gone; during a drain they are closed."""
        await worker.started.wait()
        while (received := await receive_socket(self._sockets)) is not None:
            number, accepted = received
            if accepted is None:
                log.error("cannot take a connection: too many open files, or it is closed already")
                self._has_closed(number)
            else:
                await worker.parts.source.acceptor.adopt(
                    accepted, partial(self._has_closed, number)
                )

    def _has_closed(self, number: int) -> None:
        self._ended.append(number)
        self._send_load_soon()

    def _send_load_soon(self) -> None:
        if self._sending is None:
            loop = asyncio.get_running_loop()
            self._sending = loop.call_later(LOAD_SECONDS, self._send_load)

    def _send_load(self) -> None:
        self._sending = None
        if self._worker is not None:
            load = self._load_of(self._worker)
            if not self._rpc.notify(LOAD, load):
                self._ended += load.left  # sent again with the next report

    async def _report(self, worker: Worker) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            worker.parts.metrics.refresh()
            report = self._report_of(worker)
            if not self._rpc.notify(REPORT, report):
                self._ended += report.load.left

    def _report_of(self, worker: Worker) -> WorkerReport:
        return WorkerReport(self._load_of(worker), worker.parts.metrics.samples())

    def _load_of(self, worker: Worker) -> WorkerLoad:
        left, self._ended = self._ended, []
        received = worker.parts.metrics.labelled("ptingest_flow_received_events_total")
        return WorkerLoad(
            connections=worker.parts.source.acceptor.load,
            events=int(sum(count for _, count in received)),
            is_accepting=worker.parts.source.acceptor.is_open,
            is_draining=worker.is_stopping,
            left=left,
        )


async def serve_worker_process(control: socket.socket, sockets: socket.socket) -> int:
    """Run one worker process; returns the exit code."""
    control.setblocking(False)
    rpc = await open_rpc(control, name="the supervisor")
    process = WorkerProcess(rpc, sockets, clock=SystemClock())
    loop = asyncio.get_running_loop()
    # The supervisor decides; SIGTERM to a single worker drains that worker.
    loop.add_signal_handler(signal.SIGTERM, process.stop)
    for number in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: None)
    return await process.run()


def exit_with_supervisor(control: socket.socket, seconds: float) -> None:
    """In a thread: exit some seconds after the supervisor is gone, even if the loop hangs."""
    poll = select.poll()
    poll.register(control, select.POLLRDHUP)
    while not poll.poll():
        pass
    time.sleep(seconds)
    os._exit(1)


def main(arguments: Sequence[str]) -> int:
    """Run one worker on the descriptors it inherited."""
    control, sockets = (socket.socket(fileno=int(one)) for one in arguments[:2])
    watched = control.dup()
    seconds = float(arguments[2]) + ORPHAN_SECONDS
    threading.Thread(target=exit_with_supervisor, args=(watched, seconds), daemon=True).start()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(serve_worker_process(control, sockets))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
