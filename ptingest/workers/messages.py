"""The messages between supervisor and workers, sent through `workers.rpc`.

supervisor -> worker    START, PREPARE, SWAP, SNAPSHOT, DRAIN, and jobs for the dead letters
worker -> supervisor    REPORT, LOAD

To add a request: a struct and one line here, one `rpc.on_request` in `workers.child`, and the
call through `WorkerPool.request_all` or the rpc connection of one worker.
"""

from __future__ import annotations

import msgspec

from ptingest.model.letters import Order
from ptingest.model.watching import TapRequest, WhyRequest
from ptingest.settings.profiles import Profile
from ptingest.settings.server import ServerSettings
from ptingest.settings.transfer import pack_profile, pack_settings, unpack_profile, unpack_settings
from ptingest.telemetry.metrics import MetricSample
from ptingest.workers.rpc import Nothing, Notification, Request, Stream


class Config(msgspec.Struct):
    """Validated settings and profile; workers read no config file, so all run with the same."""

    settings: bytes
    profile: bytes


class Start(msgspec.Struct):
    """Become worker ``number`` of ``workers``."""

    number: int
    workers: int
    config: Config
    config_path: str | None = None
    """Path of the config's file, for advice in log lines."""


class WorkerLoad(msgspec.Struct):
    """The load of a worker, sent whenever it changes and with each report."""

    connections: int
    events: int
    """Events received since it started."""
    is_accepting: bool
    is_draining: bool
    left: list[int]
    """Numbers of connections that have ended, each reported once."""


class WorkerReport(msgspec.Struct):
    """The metrics of a worker, sent every second."""

    load: WorkerLoad
    samples: list[MetricSample]


class WorkerSnapshot(msgspec.Struct):
    """Metrics, status and readiness of one worker now."""

    samples: list[MetricSample]
    status: bytes
    """As JSON."""
    readiness: list[str]


class Drained(msgspec.Struct):
    """The result of a drain."""

    left: int
    """Documents not settled: their windows were not acked."""


class TapLines(msgspec.Struct):
    """Whole lines of a tap on one worker."""

    lines: bytes


Progress = dict[str, object]

START = Request("start", Start, Nothing)
PREPARE = Request("prepare", Config, Nothing)
"""Build everything for a new config, and change nothing yet."""
SWAP = Request("swap", Nothing, Nothing)
"""Put the config prepared last in force."""
SNAPSHOT = Request("look", Nothing, WorkerSnapshot)
DRAIN = Request("drain", Nothing, Drained)
ORDER = Request("order", Order, Progress)
"""Begin a requeue or purge."""
PROGRESS = Request("progress", Nothing, Progress)
SWEEP = Request("sweep", Nothing, Nothing)
"""Remove done letters from the worker's own segment, and read the folder again."""

TAP = Stream("tap", TapRequest, TapLines)
WHY = Request("why", WhyRequest, Progress)

REPORT = Notification("report", WorkerReport)
LOAD = Notification("load", WorkerLoad)


def pack_config(settings: ServerSettings, profile: Profile) -> Config:
    """Encode validated settings; secrets are included, since both ends are our processes."""
    return Config(pack_settings(settings), pack_profile(profile))


def unpack_config(config: Config) -> tuple[ServerSettings, Profile]:
    """Decode settings and profile, and validate them again."""
    return unpack_settings(config.settings, ServerSettings), unpack_profile(config.profile)
