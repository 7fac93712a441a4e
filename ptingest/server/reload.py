"""SIGHUP: read config and profile again, and swap what may change without a gap.

    load -> validate -> compile -> samples -> swap one reference each, all or nothing

What does not compile changes nothing and says why: in the log, in /status, in a metric.
Connections, lanes and documents in flight are not affected. Keys bound to sockets, files and
sinks need a restart; a change of one is reported and takes effect then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ptingest.errors import ConfigInvalid, ConfigProblem, PtingestError
from ptingest.model.contracts import Clock
from ptingest.model.outputs import Outputs
from ptingest.model.rfc3339 import rfc3339_of_ns
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Pipeline
from ptingest.pipeline.route import stream_names
from ptingest.server.assembly import NamesStreams, Parts, read_profile, sink_names
from ptingest.server.certificates import PreparedTls
from ptingest.server.certificates import prepare as prepare_tls
from ptingest.server.config_file import read_settings
from ptingest.settings.profiles import Profile
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

NEEDS_RESTART = (
    "data_dir", "workers", "role", "kafka", "buffer", "sinks", "dead_letters", "api", "console",
    "why",
)  # fmt: skip
"""Top-level keys that are read once; ``beats.listen`` is the one below that level."""


@dataclass(frozen=True, slots=True)
class PreparedConfig:
    """Everything a reload puts in force; built off the loop, swapped on it."""

    settings: ServerSettings
    profile: Profile
    pipeline: Pipeline
    tls: PreparedTls


def prepare(path: Path | None, environ: Mapping[str, str]) -> PreparedConfig:
    """Read, validate and compile; changes nothing that runs.

    Raises:
        ConfigInvalid: config or profile is wrong.
        TlsUnusable: a certificate or key cannot be used.
    """
    settings = read_settings(path, environ)
    return compile_config(settings, read_profile(settings, environ))


def compile_config(settings: ServerSettings, profile: Profile) -> PreparedConfig:
    """Build everything from validated settings; raises as ``prepare``."""
    return PreparedConfig(settings, profile, compile_profile(profile), prepare_tls(settings))


class Reloader:
    """Reads the config again and has it put in force; keeps the section of /status about it."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        config: Path | None,
        environ: Mapping[str, str],
        clock: Clock,
        swap: Callable[[PreparedConfig], Awaitable[list[str]]],
    ) -> None:
        """``swap`` puts everything in force, or raises a PtingestError and changes nothing; it
        returns the keys that need a restart."""
        self._metrics, self._config, self._environ = metrics, config, environ
        self._clock, self._swap = clock, swap
        self._count = 0
        self._last_ok: str | None = None
        self._last_error: str | None = None
        self._last_error_at: str | None = None
        self._waiting_for_restart: list[str] = []
        metrics.set("ptingest_worker_config_is_current", 1)

    async def reload(self) -> bool:
        """Reload once; True when the new config is in place. Never raises for a bad file."""
        metrics = self._metrics
        try:
            # Parsing takes 0.1 s, too long for the event loop.
            fresh = await asyncio.to_thread(prepare, self._config, self._environ)
            waiting = await self._swap(fresh)
        except (PtingestError, OSError) as error:
            self._last_error, self._last_error_at = str(error), self._now()
            metrics.add("ptingest_worker_reloads_total", 1, "refused")
            metrics.set("ptingest_worker_config_is_current", 0)
            log.error("config not reloaded, the old one stays in force:\n%s", error)
            return False
        self._waiting_for_restart = waiting
        self._count += 1
        self._last_ok, self._last_error = self._now(), None
        metrics.add("ptingest_worker_reloads_total", 1, "done")
        metrics.set("ptingest_worker_config_is_current", 0 if self._waiting_for_restart else 1)
        log.info("config reloaded")
        if self._waiting_for_restart:
            log.warning(
                "changed, but in force only after a restart: %s",
                ", ".join(self._waiting_for_restart),
            )
        return True

    def _now(self) -> str:
        return rfc3339_of_ns(self._clock.time_ns(), "seconds")

    def status(self) -> dict[str, object]:
        """The section of /status about reloads."""
        return {
            "config": None if self._config is None else str(self._config),
            "reloads": self._count,
            "last_reload": self._last_ok,
            "last_error": self._last_error,
            "last_error_at": self._last_error_at,
            "waiting_for_restart": self._waiting_for_restart,
        }


def require_running_sinks(old: ServerSettings, fresh: PreparedConfig) -> None:
    """Refuse rules whose outputs mean other sinks than those that run, which need a restart.

    Raises:
        ConfigInvalid: documents would go to another cluster than the config says, or nowhere.
    """
    names = tuple(dict.fromkeys(fresh.pipeline.outputs))
    running, wanted = Outputs(sink_names(old)), Outputs(sink_names(fresh.settings))
    moved = [one for one in names if running.sinks_of(one) != wanted.sinks_of(one)]
    if len(names) > 1 and old.sinks != fresh.settings.sinks:
        moved = list(names)
    if moved:
        problem = ConfigProblem(
            file=str(fresh.settings.profile),
            path="",
            seen=f"its outputs ({', '.join(moved)}) need other sinks than those that run",
            cure="restart the server to take it",
        )
        raise ConfigInvalid((problem,))


def put_in_force(parts: Parts, fresh: PreparedConfig) -> list[str]:
    """Put a new config in force in one worker; returns the keys that need a restart.

    Raises:
        ConfigInvalid: its outputs need sinks that do not run; nothing was changed.
    """
    old = parts.settings
    require_running_sinks(old, fresh)
    parts.observer.trace_buffer.generation += 1
    # What the filters of the old pipeline counted since the last scrape would be lost.
    parts.metrics.refresh()
    parts.processing.pipeline = fresh.pipeline
    for sink in parts.sinks:
        if isinstance(sink, NamesStreams):
            sink.streams = stream_names(fresh.profile)
    parts.processing.event_bytes = fresh.settings.beats.limits.event_bytes
    for budget in (parts.budget, parts.buffer_budget):
        budget.resize(fresh.settings.outstanding_bytes)
    parts.source.change_settings(
        fresh.settings.beats.model_copy(update={"listen": old.beats.listen})
    )
    parts.settings = kept_until_restart(old, fresh.settings)
    parts.certificates.put_in_force(fresh.tls, parts.settings)
    return needing_restart(old, fresh.settings)


def kept_until_restart(old: ServerSettings, new: ServerSettings) -> ServerSettings:
    """Return the settings in force after a swap: ``new``, except for keys that are read once."""
    return new.model_copy(update={name: getattr(old, name) for name in NEEDS_RESTART})


def needing_restart(old: ServerSettings, new: ServerSettings) -> list[str]:
    """Return the keys that differ and are read only once."""
    changed = [name for name in NEEDS_RESTART if getattr(old, name) != getattr(new, name)]
    if old.beats.listen != new.beats.listen:
        changed.append("beats.listen")
    return changed
