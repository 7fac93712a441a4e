"""One process doing the work: start in half a second, run, drain in order of travel.

start   lock data_dir, bind the port, lanes; then, with Beats already welcome, the API
stop    stop accepting, stop reading, finish admitting, drain lanes, acks, FIN
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ptingest.model.contracts import Clock
from ptingest.runtime.assembly import Parts, build, read_profile
from ptingest.runtime.lock import DataDirLock
from ptingest.runtime.looking import console_seams
from ptingest.runtime.notify import Notifier
from ptingest.runtime.reload import Reloader
from ptingest.runtime.signals import StopSignals
from ptingest.runtime.status import WorkerView, node_facts
from ptingest.settings.server import ServerSettings

if TYPE_CHECKING:
    from ptingest.api.app import ApiServer

log = logging.getLogger(__name__)

LAG_INTERVAL_SECONDS = 0.1
LAG_WINDOW = 100
"""The longest pause among the last so many intervals (10 s) is shown."""
TIDY_SECONDS = 60.0
FAREWELL_SECONDS = 3.0
"""How long closing connections may take after everything else is done."""


class Worker:
    """Runs one set of parts until told to stop."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.view = WorkerView(parts)
        self.started = asyncio.Event()
        self.beats_port = 0
        self.api_port = 0
        self._stop = asyncio.Event()
        self._api: ApiServer | None = None

    def stop(self) -> None:
        """Ask for a drain; ``run`` returns when it is over."""
        self._stop.set()

    async def run(self) -> int:
        """Serve until ``stop``; returns how many documents were left unsettled.

        Raises OSError when an address cannot be bound, and whatever killed a part: a
        task that dies is never silent.
        """
        parts = self.parts
        await parts.dead_letters.open()
        host, self.beats_port = parts.source.listen()
        self.view.listening = f"{host}:{self.beats_port}"
        try:
            async with asyncio.TaskGroup() as group:
                lanes = [
                    group.create_task(lane.run(), name=f"lane {sink.name}")
                    for sink, lane in zip(parts.sinks, parts.lanes, strict=True)
                ]
                source = group.create_task(parts.source.run(), name="beats source")
                lag = group.create_task(self._watch_lag(), name="loop lag")
                tidy = group.create_task(self._tidy(), name="dead letters tidy")
                look = group.create_task(parts.certificates.watch(), name="certificates")
                await self._start_api()
                self._say_hello()
                self.started.set()
                await self._stop.wait()
                left = await self._drain()
                for task in (*lanes, source, lag, tidy, look):
                    task.cancel()
        finally:
            self.view.listening = None
            self.parts.source.stop_accepting()
            if self._api is not None:
                await self._api.close()
            await self._close_sinks()
        return left

    async def _start_api(self) -> None:
        # aiohttp takes a third of a second to import: Beats need not wait for it.
        from ptingest.api.app import start_api

        self._api = await start_api(
            self.parts.settings.api,
            view=self.view,
            metrics=self.parts.metrics,
            node=node_facts(self.parts),
            tls=self.parts.certificates.api,
            desk=self.parts.errands,
            seams=console_seams(pipeline=lambda: self.parts.flow.pipeline),
        )
        self.api_port = self._api.port

    def _say_hello(self) -> None:
        settings = self.parts.settings
        sinks = ", ".join(sink.name for sink in self.parts.sinks)
        secured = " with TLS" if settings.beats.tls else ""
        log.info("listening for Beats on %s%s", self.view.listening, secured)
        host = settings.api.listen.rpartition(":")[0]
        scheme = "https" if settings.api.tls else "http"
        log.info("health, metrics and status on %s://%s:%d", scheme, host, self.api_port)
        if settings.api.is_exposed:
            log.warning(
                "the console is closed: api.listen is %s, beyond this host, and api.token is not "
                "given; everybody who reaches the port may read /status",
                settings.api.listen,
            )
        else:
            log.info("console on %s://%s:%d/console/", scheme, host, self.api_port)
        log.info("documents go to %s; data in %s", sinks, settings.data_dir)
        log.info(
            "send a first event: echo 'INFO|apps.parcels.views|2025-01-02T03:04:05Z|hello' > "
            "/tmp/hello.log && ptingest send /tmp/hello.log --service django --to 127.0.0.1:%d%s",
            self.beats_port,
            " --tls-ca FILE" if settings.beats.tls else "",
        )

    async def _drain(self) -> int:
        """Stop in order of travel; what is unacked afterwards is resent by its Beat."""
        parts = self.parts
        self.view.draining = True
        deadline = parts.clock.monotonic() + parts.settings.drain_seconds
        log.info("draining for at most %g s", parts.settings.drain_seconds)
        parts.source.stop_accepting()
        parts.source.stop_reading()
        await parts.errands.stop("the server is stopping")
        await parts.source.finish_admitting(deadline)
        left = sum([await lane.drain(deadline) for lane in parts.lanes])
        await parts.source.close(max(deadline, parts.clock.monotonic() + FAREWELL_SECONDS))
        for lane in parts.lanes:
            await lane.close()
        await parts.dead_letters.close()
        if left:
            log.warning("%d documents were not settled; their windows go unacked", left)
        else:
            log.info("drained: everything that was taken is safe and acked")
        return left

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            await self.parts.dead_letters.tidy()

    async def _close_sinks(self) -> None:
        for sink in self.parts.sinks:
            await sink.close()

    async def _watch_lag(self) -> None:
        """Show the longest pause of the loop lately; keepalives wait no longer than that."""
        lags = [0.0] * LAG_WINDOW
        at = 0
        while True:
            before = self.parts.clock.monotonic()
            await asyncio.sleep(LAG_INTERVAL_SECONDS)
            lags[at % LAG_WINDOW] = self.parts.clock.monotonic() - before - LAG_INTERVAL_SECONDS
            at += 1
            self.parts.metrics.set("ptingest_worker_loop_lag_seconds", max(0.0, *lags))


async def serve(
    settings: ServerSettings,
    *,
    config: Path | None,
    clock: Clock,
    environ: Mapping[str, str],
    on_reload: Callable[[ServerSettings], object],
) -> int:
    """Run one worker with signals and lock; returns documents left after the drain.

    ``config`` is read again at each SIGHUP; ``on_reload`` gets the settings then in force.
    """
    profile = read_profile(settings, environ)
    lock = DataDirLock(Path(settings.data_dir))
    lock.acquire()
    signals = StopSignals()
    signals.install()
    try:
        worker = Worker(build(settings, profile, clock=clock))
        reloader = Reloader(
            worker.parts, config=config, environ=environ, clock=clock, on_swapped=on_reload
        )
        worker.view.reloads = reloader.status
        notifier = Notifier(environ)
        log.info("starting, pid %d", os.getpid())
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(_stop_on_signal(signals, worker, notifier)),
                group.create_task(_reload_on_signal(signals, reloader)),
                group.create_task(_tell_manager(notifier, worker)),
            ]
            left = await worker.run()
            for task in beside:
                task.cancel()
        return left
    finally:
        signals.uninstall()
        lock.release()


async def _stop_on_signal(signals: StopSignals, worker: Worker, notifier: Notifier) -> None:
    await signals.stop.wait()
    log.info("%s: stopping", signals.name)
    notifier.stopping()
    worker.stop()


async def _reload_on_signal(signals: StopSignals, reloader: Reloader) -> None:
    while True:
        await signals.reload.wait()
        signals.reload.clear()
        await reloader.reload()


async def _tell_manager(notifier: Notifier, worker: Worker) -> None:
    await worker.started.wait()
    notifier.ready(f"listening for Beats on {worker.view.listening}")
    await notifier.feed_watchdog()
