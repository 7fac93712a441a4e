"""Several workers behind one port: accepts, dispatches, monitors and reports for all.

start   bind the Beats port, start the workers and the API; accept once one worker runs
stop    stop accepting; all workers drain at the same time; a worker that has not come up yet
        has taken nothing and is killed
reload  read and validate everything here, then all workers prepare it, then all swap

The supervisor touches no event: it owns the two ports, the limits that hold for all, and the
processes. With ``workers: 1`` there is none, and `server.worker` does everything itself.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ptingest.errors import PtingestError, ReloadRefused, RpcRefused
from ptingest.model.contracts import Clock
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Pipeline
from ptingest.server.assembly import sink_names
from ptingest.server.certificates import Certificates
from ptingest.server.certificates import prepare as prepare_tls
from ptingest.server.reload import (
    PreparedConfig,
    kept_until_restart,
    needing_restart,
    require_running_sinks,
)
from ptingest.server.status import NO_BEATS_PORT, log_start, node_facts
from ptingest.settings.profiles import Profile
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from ptingest.workers.aggregate_view import AggregatedView
from ptingest.workers.aggregate_watch import AggregatedWatch
from ptingest.workers.dispatcher import Dispatcher
from ptingest.workers.messages import PREPARE, SWAP, Config, pack_config
from ptingest.workers.pool import PoolWorker, WorkerPool, WorkerTimeouts
from ptingest.workers.requeue_proxy import RequeueProxy
from ptingest.workers.rpc import NOTHING, Nothing

if TYPE_CHECKING:
    from ptingest.api.app import ApiServer

log = logging.getLogger(__name__)

SWAP_SECONDS = 10.0


class Supervisor:
    """Runs the workers until ``stop``."""

    def __init__(
        self,
        settings: ServerSettings,
        profile: Profile,
        *,
        workers: int,
        clock: Clock,
        config_path: Path | None = None,
        on_swapped: Callable[[ServerSettings], object] = lambda _: None,
        timeouts: WorkerTimeouts | None = None,
    ) -> None:
        """``on_swapped`` gets the settings in force after a reload."""
        self.settings = settings
        self._on_swapped = on_swapped
        self.own = Metrics()
        self._config = pack_config(settings, profile)
        self._profile = profile
        self._pipeline: Pipeline | None = None
        self._clock = clock
        self.certificates = Certificates(_of_the_api(settings), metrics=self.own, clock=clock)
        self.pool = WorkerPool(
            workers,
            config=lambda: self._config,
            config_path=config_path,
            drain_seconds=lambda: self.settings.drain_seconds,
            metrics=self.own,
            clock=clock,
            chance=random.Random(),
            timeouts=timeouts or WorkerTimeouts(),
        )
        self.dispatcher = Dispatcher(settings.beats, pool=self.pool, metrics=self.own)
        self.requeue = RequeueProxy(self.pool)
        self.watch = AggregatedWatch(self.pool, clock=clock)
        self.view = self._make_view(clock)
        self.started = asyncio.Event()
        self.beats_port = 0
        self.api_port = 0
        self.reloads: Callable[[], dict[str, object]] = dict
        """The section of /status about reloads."""
        self._stop = asyncio.Event()
        self._api: ApiServer | None = None

    def _make_view(self, clock: Clock) -> AggregatedView:
        view = AggregatedView(self.pool, own=self.own, settings=self.settings, clock=clock)
        view.sections = self._sections
        view.certificates = self.certificates.status
        view.port_troubles = self.dispatcher.troubles
        return view

    def stop(self) -> None:
        """Ask for a drain; ``run`` returns when it is over."""
        self._stop.set()

    def leave_now(self) -> None:
        """Kill the workers at once; the caller exits right after it."""
        self.pool.kill()

    async def run(self) -> int:
        """Serve until ``stop``; returns how many documents were left unsettled.

        Raises:
            OSError: an address cannot be bound.
            WorkersDidNotStart: not one worker came up.
        """
        listening = self._listen()
        try:
            async with asyncio.TaskGroup() as group:
                pool = group.create_task(self.pool.run(), name="workers")
                await self._start_api()
                await self._until_up_or_stopped()
                beside: list[asyncio.Task[None]] = []
                if not self._stop.is_set():
                    beside.append(group.create_task(self.dispatcher.run(), name="beats dispatcher"))
                    beside.append(group.create_task(self.certificates.watch(), name="certificates"))
                    self._open(listening)
                await self._stop.wait()
                left = await self._drain()
                await asyncio.wait([pool], timeout=self.pool.timeouts.leave)
                self.pool.kill()
                for task in beside:
                    task.cancel()
        finally:
            self.view.listening = None
            self.dispatcher.stop()
            self.pool.kill()
            self.watch.end_all("the server is stopping")
            if self._api is not None:
                await self._api.close()
        return left

    def _listen(self) -> str:
        """Open the Beats port, where the role has one; return what /status says of it."""
        if not self.settings.has_beats_port:
            return NO_BEATS_PORT
        host, self.beats_port = self.dispatcher.listen(self.settings.beats.listen)
        return f"{host}:{self.beats_port}"

    async def _until_up_or_stopped(self) -> None:
        """A worker may take a minute to come up; a stop does not wait for it."""
        waits = [asyncio.create_task(event.wait()) for event in (self.pool.is_up, self._stop)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _open(self, listening: str) -> None:
        """Report that Beats are served now."""
        self.view.listening = listening
        log_start(
            self.settings,
            listening=listening,
            api_port=self.api_port,
            profile=self._profile,
            workers=len(self.pool.workers),
        )
        self.started.set()

    async def _start_api(self) -> None:
        from ptingest.api.app import start_api
        from ptingest.api.console.pages import console_dependencies

        self._api = await start_api(
            self.settings.api,
            view=self.view,
            metrics=self.view.metrics,
            node=node_facts(
                self.settings,
                sinks=sink_names(self.settings),
                workers=len(self.pool.workers),
            ),
            tls=self.certificates.api,
            jobs=self.requeue,
            taps=self.watch,
            why=self.watch,
            usage=self.view.usage,
            dependencies=console_dependencies(self.settings, pipeline=self.pipeline),
        )
        self.api_port = self._api.port

    def pipeline(self) -> Pipeline:
        """The pipeline of the profile in force, for dry runs in the console."""
        if self._pipeline is None:
            self._pipeline = compile_profile(self._profile)
        return self._pipeline

    def _sections(self) -> dict[str, dict[str, object]]:
        """Keys of /status that replace those of the workers."""
        job = self.requeue.progress()
        return {
            "beats": {
                "connections": self.dispatcher.count,
                "connections_limit": self.dispatcher.limits.connections,
            },
            "dead_letters": {"requeue_job": job, "errand": job},  # "errand" as in version 0.1
            "config": self.reloads(),
            "taps": self.watch.status(),
            "why": {"sample": self.settings.why.sample},
        }

    async def _drain(self) -> int:
        """Stop accepting, and drain all workers at the same time."""
        self.view.draining = True
        seconds = self.settings.drain_seconds
        if running := len(self.pool.running):
            log.info("draining %d workers for at most %g s", running, seconds)
        else:
            log.info("no worker is running: nothing to drain")
        self.dispatcher.stop()
        self.requeue.stop("the server is stopping")
        left = await self.pool.drain()
        if left:
            log.warning("%d documents were not settled; their windows go unacked", left)
        else:
            log.info("drained: everything that was taken is safe and acked")
        return left

    # -- reload -----------------------------------------------------------------------------

    async def swap(self, fresh: PreparedConfig) -> list[str]:
        """Put a new config in force in all workers, or in none; see `Reloader`.

        Raises:
            ReloadRefused: a worker cannot use it; nothing was changed anywhere.
            ConfigInvalid: its outputs need sinks that do not run; as well.
        """
        require_running_sinks(self.settings, fresh)
        kept = kept_until_restart(self.settings, fresh.settings)
        waiting = needing_restart(self.settings, fresh.settings)
        certificates = await asyncio.to_thread(prepare_tls, _of_the_api(kept))
        config = pack_config(kept, fresh.profile)
        ready = set()
        answers = await self.pool.request_all(PREPARE, config, seconds=self.pool.timeouts.start)
        for number, answer in sorted(answers.items()):
            if isinstance(answer, RpcRefused):
                raise ReloadRefused(worker=f"worker {number}", cause=str(answer))
            if not isinstance(answer, PtingestError):
                ready.add(number)
        # From here on there is no way back: workers that start get the new config, and a
        # worker that cannot use it is started again.
        self.settings = self.view.settings = kept
        self._config = config
        self._profile, self._pipeline = fresh.profile, fresh.pipeline
        self.dispatcher.change_settings(kept.beats)
        self.certificates.put_in_force(certificates, _of_the_api(kept))
        await asyncio.gather(
            *(self._change(worker, config, worker.number in ready) for worker in self.pool.running)
        )
        self._on_swapped(kept)
        return waiting

    async def _change(self, worker: PoolWorker, config: Config, is_ready: bool) -> None:
        """Put the new config in force in one worker, which is killed if that fails."""
        answer: Nothing | PtingestError = NOTHING
        if not is_ready and worker.config is not config:  # it came up meanwhile
            answer = await self.pool.request(worker, PREPARE, config, seconds=SWAP_SECONDS)
        if not isinstance(answer, PtingestError):
            answer = await self.pool.request(worker, SWAP, NOTHING, seconds=SWAP_SECONDS)
        if isinstance(answer, PtingestError):
            log.error(
                "%s cannot use the new config and is started again: %s",
                worker.name,
                answer,
            )
            worker.kill()
        else:
            worker.config = config


def _of_the_api(settings: ServerSettings) -> ServerSettings:
    """Settings without TLS for Beats, whose handshakes are done in the workers."""
    return settings.model_copy(update={"beats": settings.beats.model_copy(update={"tls": None})})
