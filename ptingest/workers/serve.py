"""Runs a server with one worker or several: lock, signals, reloads, service manager.

A single worker is this process itself; with several this process is their supervisor.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ptingest.model.contracts import Clock
from ptingest.server.assembly import build, read_profile
from ptingest.server.event_loop.lag import freeze_startup_objects
from ptingest.server.process.lock import DataDirLock
from ptingest.server.process.orphans import reap_orphans
from ptingest.server.process.signals import StopSignals
from ptingest.server.process.systemd import Notifier
from ptingest.server.reload import PreparedConfig, Reloader, put_in_force
from ptingest.server.worker import Worker
from ptingest.server.worker_share import worker_count
from ptingest.settings.profiles import Profile
from ptingest.settings.server import ServerSettings

if TYPE_CHECKING:
    from ptingest.workers.supervisor import Supervisor

log = logging.getLogger(__name__)


class BuiltServer(NamedTuple):
    """A server ready to run, and its reloader."""

    server: Worker | Supervisor
    reloader: Reloader


async def serve(
    settings: ServerSettings,
    *,
    config: Path | None,
    clock: Clock,
    environ: Mapping[str, str],
    on_reload: Callable[[ServerSettings], object],
) -> int:
    """Run a server with signals and lock; returns documents left after the drain.

    ``config`` is read again at each SIGHUP; ``on_reload`` gets the settings then in force.
    """
    profile = read_profile(settings, environ)
    lock = DataDirLock(Path(settings.data_dir))
    lock.acquire()
    signals = StopSignals()
    signals.install()
    try:
        count = worker_count(settings)
        make = _alone if count == 1 else _with_supervisor
        server, reloader = make(
            settings, profile, config=config, clock=clock, environ=environ, on_reload=on_reload
        )
        signals.before_leaving = server.leave_now
        notifier = Notifier(environ)
        log.info("starting, pid %d", os.getpid())
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(_stop_on_signal(signals, server, notifier)),
                group.create_task(_reload_on_signal(signals, server, reloader)),
                group.create_task(_tell_manager(notifier, server)),
            ]
            if os.getpid() == 1:  # as in a container
                beside.append(group.create_task(reap_orphans()))
            left = await server.run()
            for task in beside:
                task.cancel()
        return left
    finally:
        signals.uninstall()
        lock.release()


def _alone(
    settings: ServerSettings,
    profile: Profile,
    *,
    config: Path | None,
    clock: Clock,
    environ: Mapping[str, str],
    on_reload: Callable[[ServerSettings], object],
) -> BuiltServer:
    worker = Worker(build(settings, profile, clock=clock))

    async def swap(fresh: PreparedConfig) -> list[str]:
        waiting = put_in_force(worker.parts, fresh)
        on_reload(worker.parts.settings)
        return waiting

    metrics = worker.parts.metrics
    reloader = Reloader(metrics, config=config, environ=environ, clock=clock, swap=swap)
    worker.view.reloads = reloader.status
    return BuiltServer(worker, reloader)


def _with_supervisor(
    settings: ServerSettings,
    profile: Profile,
    *,
    config: Path | None,
    clock: Clock,
    environ: Mapping[str, str],
    on_reload: Callable[[ServerSettings], object],
) -> BuiltServer:
    # Imports a dozen modules that a server with one worker never needs.
    from ptingest.workers.supervisor import Supervisor

    count = worker_count(settings)
    server = Supervisor(
        settings, profile, workers=count, clock=clock, config_path=config, on_swapped=on_reload
    )
    reloader = Reloader(server.own, config=config, environ=environ, clock=clock, swap=server.swap)
    server.reloads = reloader.status
    return BuiltServer(server, reloader)


async def _stop_on_signal(
    signals: StopSignals, server: Worker | Supervisor, notifier: Notifier
) -> None:
    await signals.stop.wait()
    log.info("%s: stopping", signals.name)
    notifier.stopping()
    server.stop()


async def _reload_on_signal(
    signals: StopSignals, server: Worker | Supervisor, reloader: Reloader
) -> None:
    await server.started.wait()
    while True:
        await signals.reload.wait()
        signals.reload.clear()
        await reloader.reload()


async def _tell_manager(notifier: Notifier, server: Worker | Supervisor) -> None:
    await server.started.wait()
    freeze_startup_objects()
    notifier.ready(f"listening for Beats on {server.view.listening}")
    await notifier.feed_watchdog()
