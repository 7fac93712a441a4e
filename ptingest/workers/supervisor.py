"""Several workers behind one port: accepts, hands over, watches, and speaks for all.

start   bind the Beats port, start the workers; with one of them up, accept; the API
stop    stop accepting; all workers drain at once, each in order of travel; leave; who has not
        come up yet has taken nothing and is ended
reload  read and try everything here, then all workers make it ready, then all swap

The supervisor touches no event: it owns the two ports, the counts that hold for all, and the
processes. With ``workers: 1`` there is none, and `runtime.worker` does everything itself.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from ptingest.errors import ChannelRefused, PtingestError, ReloadRefused
from ptingest.model.contracts import Clock
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Pipeline
from ptingest.server.assembly import sink_names
from ptingest.server.certificates import Certificates
from ptingest.server.certificates import prepare as prepare_tls
from ptingest.server.reload import Fresh, kept_until_restart, needing_restart
from ptingest.server.status import node_facts, say_hello
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from ptingest.workers.aggregate_view import WholeView
from ptingest.workers.aggregate_watch import CrewWatch
from ptingest.workers.dispatcher import Doorkeeper
from ptingest.workers.messages import PREPARE, SWAP, Config, pack_config
from ptingest.workers.pool import Crew, Patience, Slot
from ptingest.workers.requeue_relay import Relay
from ptingest.workers.rpc import NOTHING, Nothing

if TYPE_CHECKING:
    from ptingest.api.app import ApiServer

log = logging.getLogger(__name__)

SWAP_SECONDS = 10.0


class Supervisor:
    """Runs the workers until told to stop."""

    def __init__(
        self,
        settings: ServerSettings,
        profile: ProfileSettings,
        *,
        workers: int,
        clock: Clock,
        on_swapped: Callable[[ServerSettings], object] = lambda _: None,
        patience: Patience | None = None,
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
        self.crew = Crew(
            workers,
            config=lambda: self._config,
            drain_seconds=lambda: self.settings.drain_seconds,
            metrics=self.own,
            clock=clock,
            chance=random.Random(),
            patience=patience or Patience(),
        )
        self.door = Doorkeeper(settings.beats, crew=self.crew, metrics=self.own)
        self.relay = Relay(self.crew)
        self.watch = CrewWatch(self.crew, clock=clock)
        self.view = self._make_view(clock)
        self.started = asyncio.Event()
        self.beats_port = 0
        self.api_port = 0
        self.reloads: Callable[[], dict[str, object]] = dict
        """What /status says of reloads."""
        self._stop = asyncio.Event()
        self._api: ApiServer | None = None

    def _make_view(self, clock: Clock) -> WholeView:
        view = WholeView(self.crew, own=self.own, settings=self.settings, clock=clock)
        view.sections = self._sections
        view.certificates = self.certificates.status
        view.port_troubles = self.door.troubles
        return view

    def stop(self) -> None:
        """Ask for a drain; ``run`` returns when it is over."""
        self._stop.set()

    def leave_now(self) -> None:
        """End the workers at once; for who leaves right after it."""
        self.crew.kill()

    async def run(self) -> int:
        """Serve until ``stop``; returns how many documents were left unsettled.

        Raises:
            OSError: an address cannot be bound.
            WorkersDidNotStart: not one worker came up.
        """
        host, self.beats_port = self.door.listen(self.settings.beats.listen)
        try:
            async with asyncio.TaskGroup() as group:
                crew = group.create_task(self.crew.run(), name="workers")
                await self._start_api()
                await self._until_up_or_told_to_stop()
                beside: list[asyncio.Task[None]] = []
                if not self._stop.is_set():
                    beside.append(group.create_task(self.door.run(), name="beats door"))
                    beside.append(group.create_task(self.certificates.watch(), name="certificates"))
                    self._open(f"{host}:{self.beats_port}")
                await self._stop.wait()
                left = await self._drain()
                await asyncio.wait([crew], timeout=self.crew.patience.farewell)
                self.crew.kill()
                for task in beside:
                    task.cancel()
        finally:
            self.view.listening = None
            self.door.stop()
            self.crew.kill()
            self.watch.end_all("the server is stopping")
            if self._api is not None:
                await self._api.close()
        return left

    async def _until_up_or_told_to_stop(self) -> None:
        """A worker may take a minute to come up; who is told to stop does not wait for it."""
        waits = [asyncio.create_task(event.wait()) for event in (self.crew.is_up, self._stop)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _open(self, listening: str) -> None:
        """Tell everybody that Beats are served now."""
        self.view.listening = listening
        say_hello(
            self.settings,
            listening=listening,
            api_port=self.api_port,
            workers=len(self.crew.slots),
        )
        self.started.set()

    async def _start_api(self) -> None:
        from ptingest.api.app import start_api
        from ptingest.api.console.pages import console_seams

        self._api = await start_api(
            self.settings.api,
            view=self.view,
            metrics=self.view.metrics,
            node=node_facts(
                self.settings,
                sinks=sink_names(self.settings),
                workers=len(self.crew.slots),
            ),
            tls=self.certificates.api,
            desk=self.relay,
            taps=self.watch,
            why=self.watch,
            usage=self.view.usage,
            seams=console_seams(self.settings, pipeline=self.pipeline),
        )
        self.api_port = self._api.port

    def pipeline(self) -> Pipeline:
        """The pipeline of the profile in force: no event passes here, but people try lines."""
        if self._pipeline is None:
            self._pipeline = compile_profile(self._profile)
        return self._pipeline

    def _sections(self) -> dict[str, dict[str, object]]:
        """What we know better than any worker; keys of /status that replace theirs."""
        return {
            "beats": {
                "connections": self.door.count,
                "connections_limit": self.door.limits.connections,
            },
            "dead_letters": {"errand": self.relay.progress()},
            "config": self.reloads(),
            "taps": self.watch.status(),
            "why": {"sample": self.settings.why.sample},
        }

    async def _drain(self) -> int:
        """Nobody new comes in, and all workers bring home what they have, at the same time."""
        self.view.draining = True
        seconds = self.settings.drain_seconds
        if running := len(self.crew.running):
            log.info("draining %d workers for at most %g s", running, seconds)
        else:
            log.info("no worker is up: nothing to drain")
        self.door.stop()
        self.relay.stop("the server is stopping")
        left = await self.crew.drain()
        if left:
            log.warning("%d documents were not settled; their windows go unacked", left)
        else:
            log.info("drained: everything that was taken is safe and acked")
        return left

    # -- reload -----------------------------------------------------------------------------

    async def swap(self, fresh: Fresh) -> list[str]:
        """Put a new config in force in all workers, or in none; see `Reloader`.

        Raises:
            ReloadRefused: a worker does not take it; nothing was changed anywhere.
        """
        kept = kept_until_restart(self.settings, fresh.settings)
        waiting = needing_restart(self.settings, fresh.settings)
        certificates = await asyncio.to_thread(prepare_tls, _of_the_api(kept))
        config = pack_config(kept, fresh.profile)
        ready = set()
        answers = await self.crew.ask_all(PREPARE, config, seconds=self.crew.patience.start)
        for number, answer in sorted(answers.items()):
            if isinstance(answer, ChannelRefused):
                raise ReloadRefused(worker=f"worker {number}", cause=str(answer))
            if not isinstance(answer, PtingestError):
                ready.add(number)
        # From here on there is no way back: whoever starts gets the new one, and who cannot
        # follow is started again.
        self.settings = self.view.settings = kept
        self._config = config
        self._profile, self._pipeline = fresh.profile, fresh.pipeline
        self.door.change_settings(kept.beats)
        self.certificates.put_in_force(certificates, _of_the_api(kept))
        await asyncio.gather(
            *(self._change(slot, config, slot.number in ready) for slot in self.crew.running)
        )
        self._on_swapped(kept)
        return waiting

    async def _change(self, slot: Slot, config: Config, is_ready: bool) -> None:
        """Have one worker put the new config in force; one that cannot is started again."""
        answer: Nothing | PtingestError = NOTHING
        if not is_ready and slot.config is not config:  # it came up meanwhile
            answer = await self.crew.ask(slot, PREPARE, config, seconds=SWAP_SECONDS)
        if not isinstance(answer, PtingestError):
            answer = await self.crew.ask(slot, SWAP, NOTHING, seconds=SWAP_SECONDS)
        if isinstance(answer, PtingestError):
            log.error("%s cannot follow a reload and is started again: %s", slot.name, answer)
            slot.kill()
        else:
            slot.config = config


def _of_the_api(settings: ServerSettings) -> ServerSettings:
    """The supervisor shakes hands on the HTTP port only; Beats are the workers' guests."""
    return settings.model_copy(update={"beats": settings.beats.model_copy(update={"tls": None})})
