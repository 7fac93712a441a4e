"""What supervisor and workers ask and tell each other; the words of `runtime.channel`.

supervisor -> worker    START, PREPARE, SWAP, LOOK, DRAIN, and orders for the dead letters
worker -> supervisor    REPORT, LOAD

To ask a worker something new: a struct, one line here, one `channel.answers` in
`runtime.supervised`, and the question put through `Crew.ask_all` (or one worker's channel).
"""

from __future__ import annotations

import msgspec

from ptingest.model.letters import Order
from ptingest.model.watching import TapWish, WhyQuestion
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.settings.transfer import pack_profile, pack_settings, unpack_profile, unpack_settings
from ptingest.telemetry.metrics import Sample
from ptingest.workers.rpc import Feed, News, Nothing, Question


class Config(msgspec.Struct):
    """Settings and profile as they were validated; a worker reads no config file, so that all
    run with the same."""

    settings: bytes
    profile: bytes


class Start(msgspec.Struct):
    """Become worker ``number`` of ``workers``."""

    number: int
    workers: int
    config: Config


class Load(msgspec.Struct):
    """How busy a worker is, told whenever it changes and with each report."""

    connections: int
    events: int
    """Received since it started."""
    is_accepting: bool
    is_draining: bool
    left: list[int]
    """Numbers of connections that are over, each told once."""


class Report(msgspec.Struct):
    """A worker's metrics, every second."""

    load: Load
    samples: list[Sample]


class Seen(msgspec.Struct):
    """Everything one worker shows of itself now."""

    samples: list[Sample]
    status: bytes
    """As JSON: it holds whatever the API could answer with."""
    readiness: list[str]


class Drained(msgspec.Struct):
    """The last words of a worker."""

    left: int
    """Documents not settled: their windows went unacked."""


class TapLines(msgspec.Struct):
    """Whole lines of one worker's tap."""

    lines: bytes


Progress = dict[str, object]

START = Question("start", Start, Nothing)
PREPARE = Question("prepare", Config, Nothing)
"""Make everything of a new config ready, and change nothing yet."""
SWAP = Question("swap", Nothing, Nothing)
"""Put in force what was prepared last."""
LOOK = Question("look", Nothing, Seen)
DRAIN = Question("drain", Nothing, Drained)
ORDER = Question("order", Order, Progress)
"""Begin a requeue or purge."""
PROGRESS = Question("progress", Nothing, Progress)
SWEEP = Question("sweep", Nothing, Nothing)
"""Let go of letters that are done in this worker's own segment, and look at the folder."""

TAP = Feed("tap", TapWish, TapLines)
WHY = Question("why", WhyQuestion, Progress)

REPORT = News("report", Report)
LOAD = News("load", Load)


def pack_config(settings: ServerSettings, profile: ProfileSettings) -> Config:
    """Put validated settings into a message; secrets travel whole, between our own processes."""
    return Config(pack_settings(settings), pack_profile(profile))


def unpack_config(config: Config) -> tuple[ServerSettings, ProfileSettings]:
    """Return what was packed, validated once more."""
    return unpack_settings(config.settings, ServerSettings), unpack_profile(config.profile)
