"""One process doing the work: start in half a second, run, drain in order of travel.

start   lock data_dir, bind the port, lanes; then, with Beats already welcome, the API
stop    stop accepting, stop reading, finish admitting, drain lanes, acks, FIN
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ptingest.server.assembly import Parts
from ptingest.server.event_loop.lag import LoopLag
from ptingest.server.process.malloc import give_back_large_blocks
from ptingest.server.status import WorkerView, node_facts, say_hello

if TYPE_CHECKING:
    from ptingest.api.app import ApiServer

log = logging.getLogger(__name__)

TIDY_SECONDS = 60.0
TROUBLE_SECONDS = 5.0
"""While letters cannot be kept, how often it is tried whether they can again."""
CHORE_SECONDS = 1.0
FAREWELL_SECONDS = 3.0
"""How long closing connections may take after everything else is done."""


class Worker:
    """Runs one set of parts until told to stop."""

    def __init__(self, parts: Parts, *, is_supervised: bool = False) -> None:
        """Under a supervisor it opens no port: connections are handed to it."""
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
        """Ask for a drain; ``run`` returns when it is over."""
        self._stop.set()

    def leave_now(self) -> None:
        """Nothing to end but this process itself, which its caller does."""

    @property
    def is_stopping(self) -> bool:
        """A drain was asked for."""
        return self._stop.is_set()

    async def run(self) -> int:
        """Serve until ``stop``; returns how many documents were left unsettled.

        Raises OSError when an address cannot be bound, and whatever killed a part: a
        task that dies is never silent.
        """
        parts = self.parts
        await self._open()
        if not self._is_supervised:
            host, self.beats_port = parts.source.listen()
            self.view.listening = f"{host}:{self.beats_port}"
        else:
            self.view.listening = "at the supervisor"
        try:
            async with asyncio.TaskGroup() as group:
                lanes = [
                    group.create_task(lane.run(), name=f"lane {lane.name}") for lane in parts.lanes
                ]
                beside = [group.create_task(one.run(), name="idle sink") for one in parts.checks]
                source = group.create_task(parts.source.run(), name="beats source")
                tidy = group.create_task(self._tidy(), name="dead letters tidy")
                look = group.create_task(parts.certificates.watch(), name="certificates")
                chores = group.create_task(self._do_chores(), name="chores")
                if not self._is_supervised:
                    await self._start_api()
                    say_hello(
                        parts.settings,
                        listening=self.view.listening,
                        api_port=self.api_port,
                        sinks=[sink.name for sink in parts.sinks],
                    )
                self._has_started()
                await self._stop.wait()
                left = await self._drain()
                for task in (*lanes, *beside, source, tidy, look, chores):
                    task.cancel()
        finally:
            self.view.listening = None
            self.parts.source.stop_accepting()
            self.parts.observer.taps.end_all("the server is stopping")
            if self._api is not None:
                await self._api.close()
            await self._close_the_rest()
        return left

    async def _open(self) -> None:
        self._lag.start()
        await self.parts.dead_letters.open()
        self.parts.processing.poison.open()

    def _has_started(self) -> None:
        self.started.set()
        give_back_large_blocks()

    async def _start_api(self) -> None:
        # aiohttp takes a third of a second to import: Beats need not wait for it.
        from ptingest.api.app import start_api
        from ptingest.api.console.pages import console_dependencies

        self._api = await start_api(
            self.parts.settings.api,
            view=self.view,
            metrics=self.parts.metrics,
            node=node_facts(self.parts.settings, sinks=[sink.name for sink in self.parts.sinks]),
            tls=self.parts.certificates.api,
            jobs=self.parts.errands,
            dependencies=console_dependencies(
                self.parts.settings, pipeline=lambda: self.parts.processing.pipeline
            ),
            taps=self.parts.observer.taps,
            why=self.parts.storyteller,
        )
        self.api_port = self._api.port

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
        """Every minute; sooner where a failure of the disk may be over."""
        letters = self.parts.dead_letters
        due = TIDY_SECONDS
        while True:
            await asyncio.sleep(TROUBLE_SECONDS)
            due -= TROUBLE_SECONDS
            if due <= 0 or letters.trouble is not None:
                due = TIDY_SECONDS
                await letters.tidy()

    async def _do_chores(self) -> None:
        while self.parts.chores:
            await asyncio.sleep(CHORE_SECONDS)
            for chore in self.parts.chores:
                await chore()

    async def _close_the_rest(self) -> None:
        self._lag.stop()
        await self.parts.processing.large.close()
        self.parts.processing.poison.close()
        for sink in self.parts.sinks:
            await sink.close()
