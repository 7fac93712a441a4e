"""One worker: starts in half a second, runs, and drains from the source to the sinks.

start   bind the port, start the lanes; then, while Beats connect already, the API
stop    stop accepting, stop reading, finish admitting, drain buffer and lanes, send acks and
        commit offsets, FIN
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ptingest.server.assembly import Parts
from ptingest.server.event_loop.lag import LoopLag
from ptingest.server.process.malloc import return_large_blocks
from ptingest.server.status import NO_BEATS_PORT, WorkerView, log_start, node_facts

if TYPE_CHECKING:
    from ptingest.api.app import ApiServer

log = logging.getLogger(__name__)

TIDY_SECONDS = 60.0
TROUBLE_SECONDS = 5.0
"""How often writing is tried again while dead letters cannot be written."""
MAINTENANCE_SECONDS = 1.0
CLOSE_SECONDS = 3.0
"""How long closing the connections may take after the drain."""


class Worker:
    """Runs one set of parts until ``stop``."""

    def __init__(self, parts: Parts, *, is_supervised: bool = False) -> None:
        """Under a supervisor it opens no port; connections are passed to it."""
        self.parts = parts
        self._is_supervised = is_supervised
        self.view = WorkerView(parts, owns_port=not is_supervised)
        self._lag = LoopLag(parts.metrics, parts.clock)
        self.started = asyncio.Event()
        self.beats_port = 0
        self.api_port = 0
        self._stop = asyncio.Event()
        self._api: ApiServer | None = None

    def stop(self) -> None:
        """Begin a drain; ``run`` returns when it is over."""
        self._stop.set()

    def leave_now(self) -> None:
        """Nothing to do: the caller exits this process, and there is no other."""

    @property
    def is_stopping(self) -> bool:
        """A drain has begun."""
        return self._stop.is_set()

    async def run(self) -> int:
        """Serve until ``stop``; returns how many documents were left unsettled.

        Raises:
            OSError: an address cannot be bound.
            Exception: whatever ended a task; none ends unnoticed.
        """
        parts = self.parts
        await self._open()
        self.view.listening = self._listen()
        try:
            async with asyncio.TaskGroup() as group:
                lanes = [
                    group.create_task(lane.run(), name=f"lane {lane.name}") for lane in parts.lanes
                ]
                beside = [group.create_task(one.run(), name="idle sink") for one in parts.checks]
                sources = self._start_sources(group)
                tidy = group.create_task(self._tidy(), name="dead letters tidy")
                look = group.create_task(parts.certificates.watch(), name="certificates")
                maintenance = group.create_task(self._maintain(), name="maintenance")
                if not self._is_supervised:
                    await self._start_api()
                    log_start(
                        parts.settings,
                        listening=self.view.listening,
                        api_port=self.api_port,
                        profile=parts.processing.pipeline.profile,
                        sinks=[sink.name for sink in parts.sinks],
                    )
                self._has_started()
                await self._stop.wait()
                left = await self._drain()
                for task in (*lanes, *beside, *sources, tidy, look, maintenance):
                    task.cancel()
        finally:
            self.view.listening = None
            self.parts.source.stop_accepting()
            self.parts.observer.taps.end_all("the server is stopping")
            if self._api is not None:
                await self._api.close()
            await self._close_the_rest()
        return left

    def _listen(self) -> str:
        """Open the Beats port, where this process has one; return what /status says of it."""
        if not self.parts.settings.has_beats_port:
            return NO_BEATS_PORT
        if self._is_supervised:
            return "at the supervisor"
        host, self.beats_port = self.parts.source.listen()
        return f"{host}:{self.beats_port}"

    def _start_sources(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        parts = self.parts
        tasks = [group.create_task(parts.source.run(), name="beats source")]
        if parts.buffer is not None:
            tasks.append(group.create_task(parts.buffer.run(), name="buffer"))
        tasks += [group.create_task(one.run(), name=one.name) for one in parts.kafka]
        return tasks

    async def _open(self) -> None:
        self._lag.start()
        await self.parts.dead_letters.open()
        self.parts.processing.poison.open()

    def _has_started(self) -> None:
        self.started.set()
        return_large_blocks()

    async def _start_api(self) -> None:
        # Importing aiohttp takes 0.3 s; Beats need not wait for it.
        from ptingest.api.app import start_api
        from ptingest.api.console.pages import console_dependencies

        self._api = await start_api(
            self.parts.settings.api,
            view=self.view,
            metrics=self.parts.metrics,
            node=node_facts(self.parts.settings, sinks=[sink.name for sink in self.parts.sinks]),
            tls=self.parts.certificates.api,
            jobs=self.parts.jobs,
            dependencies=console_dependencies(
                self.parts.settings, pipeline=lambda: self.parts.processing.pipeline
            ),
            taps=self.parts.observer.taps,
            why=self.parts.trace_reader,
        )
        self.api_port = self._api.port

    async def _drain(self) -> int:
        """Stop from the source to the sinks; Beats resend what is unacked afterwards."""
        parts = self.parts
        self.view.draining = True
        deadline = parts.clock.monotonic() + parts.settings.drain_seconds
        log.info("draining for at most %g s", parts.settings.drain_seconds)
        parts.source.stop_accepting()
        for source in (parts.source, *parts.kafka):
            source.stop_reading()
        await parts.jobs.stop("the server is stopping")
        for source in (parts.source, *parts.kafka):
            await source.finish_admitting(deadline)
        left = 0 if parts.buffer is None else await parts.buffer.drain(deadline)
        left += sum([await lane.drain(deadline) for lane in parts.lanes])
        closed_by = max(deadline, parts.clock.monotonic() + CLOSE_SECONDS)
        for source in (parts.source, *parts.kafka):
            await source.close(closed_by)
        for lane in parts.lanes:
            await lane.close()
        await parts.dead_letters.close()
        if left:
            log.warning("%d documents were not settled; their windows go unacked", left)
        else:
            log.info("drained: everything that was taken is safe and acked")
        return left

    async def _tidy(self) -> None:
        """Tidy every minute; sooner while writing fails, to notice when it works again."""
        letters = self.parts.dead_letters
        due = TIDY_SECONDS
        while True:
            await asyncio.sleep(TROUBLE_SECONDS)
            due -= TROUBLE_SECONDS
            if due <= 0 or letters.trouble is not None:
                due = TIDY_SECONDS
                await letters.tidy()

    async def _maintain(self) -> None:
        while self.parts.maintenance:
            await asyncio.sleep(MAINTENANCE_SECONDS)
            for step in self.parts.maintenance:
                await step()

    async def _close_the_rest(self) -> None:
        self._lag.stop()
        if self.parts.buffer is not None:
            await self.parts.buffer.close()
        await self.parts.processing.large.close()
        self.parts.processing.poison.close()
        for sink in self.parts.sinks:
            await sink.close()
