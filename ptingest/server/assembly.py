"""The one place that builds: settings in, connected parts out. No registry, a match."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.budget import Budget
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.health_check import Inquirer
from ptingest.delivery.lane import Lane
from ptingest.errors import ConfigInvalid, ConfigProblem
from ptingest.model.contracts import Breath, Clock, Sink
from ptingest.observe.taps import Taps
from ptingest.observe.trace import Storyteller
from ptingest.observe.trace_buffer import Journal, WatchedSink
from ptingest.pipeline.compile import compile_profile, packaged_profile_path, run_samples
from ptingest.pipeline.pipeline import Pipeline
from ptingest.pipeline.sender import sender_of
from ptingest.server.certificates import Certificates
from ptingest.server.event_loop.fair_share import Turnstile
from ptingest.server.flow import Flow
from ptingest.server.poison import PoisonRecord
from ptingest.server.requeue import Errands
from ptingest.server.worker_share import ALONE, Share
from ptingest.settings.load import load_profile
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import (
    ElasticsearchSettings,
    LaneSettings,
    NdjsonSettings,
    StoreSettings,
)
from ptingest.sources.beats.inflate_permits import TURNS
from ptingest.sources.beats.server import BeatsSource
from ptingest.telemetry.metrics import Metrics


@runtime_checkable
class KeepsHouse(Protocol):
    """A sink whose upkeep is one writer's, whoever of them writes."""

    async def keep_house(self) -> None: ...


@runtime_checkable
class KeepsRoom(Protocol):
    """A sink that keeps what it takes on this host, up to a limit."""

    def room(self) -> dict[str, object]: ...


@runtime_checkable
class KnowsFailures(Protocol):
    """A sink that may put documents elsewhere than where they are looked for."""

    def failures(self) -> dict[str, object]: ...


@dataclass(slots=True)
class Parts:
    """Everything one worker runs, connected and not yet started."""

    settings: ServerSettings
    metrics: Metrics
    clock: Clock
    pipeline: Pipeline
    sinks: list[Sink]
    lanes: list[Lane]
    budget: DocumentBudget
    dead_letters: DeadLetters
    flow: Flow
    poison: PoisonRecord
    source: BeatsSource
    errands: Errands
    certificates: Certificates
    journal: Journal
    storyteller: Storyteller
    share: Share
    inquirers: list[Inquirer]
    chores: list[Callable[[], Awaitable[None]]]
    """What one of several workers does every second for all of them."""


def read_profile(settings: ServerSettings, environ: Mapping[str, str]) -> ProfileSettings:
    """Load the profile the settings name, else the packaged one, and run its samples.

    Raises:
        ConfigInvalid: it is broken, or a pattern does not do what its sample says.
    """
    path = Path(settings.profile) if settings.profile else packaged_profile_path()
    profile = load_profile(path, environ)
    cure = "mend the pattern or the sample; `ptingest try` shows what a line becomes"
    problems = [
        ConfigProblem(file=str(path), path="", seen=problem, cure=cure)
        for problem in run_samples(profile)
    ]
    if problems:
        raise ConfigInvalid(tuple(problems))
    return profile


def sink_settings(settings: ServerSettings) -> list[LaneSettings]:
    """The settings of every sink that is configured, in a fixed order."""
    sinks = settings.sinks
    return [one for one in (sinks.store, sinks.elasticsearch, sinks.ndjson) if one is not None]


def sink_names(settings: ServerSettings) -> list[str]:
    """The names of those sinks, in the same order."""
    return [name for name in ("store", "elasticsearch", "ndjson") if getattr(settings.sinks, name)]


def build_sinks(
    settings: ServerSettings,
    clock: Clock,
    metrics: Metrics,
    share: Share = ALONE,
    breath: Breath | None = None,
) -> list[Sink]:
    """Build the configured sinks; nothing is opened or connected yet."""
    breath = breath or Turnstile()
    return [
        _build_sink(one, settings, clock, metrics, share, breath) for one in sink_settings(settings)
    ]


def _build_sink(
    one: LaneSettings,
    settings: ServerSettings,
    clock: Clock,
    metrics: Metrics,
    share: Share,
    breath: Breath,
) -> Sink:
    data_dir = Path(settings.data_dir)
    match one:
        case StoreSettings():
            from ptingest.sinks.store.sink import StoreSink

            return StoreSink(
                one,
                path=data_dir / one.path,
                clock=clock,
                keeps_house=share.keeps_house,
                is_alone=share.workers == 1,
            )
        case ElasticsearchSettings():
            from ptingest.sinks.elasticsearch.sink import ElasticsearchSink

            return ElasticsearchSink(one, clock=clock, metrics=metrics, breath=breath)
        case NdjsonSettings():
            from ptingest.sinks.ndjson import NdjsonSink

            return NdjsonSink(one, path=None if one.path == "-" else data_dir / one.path)
        case _:
            raise AssertionError(f"no sink for {type(one).__name__}")


def build(
    settings: ServerSettings,
    profile: ProfileSettings,
    *,
    clock: Clock,
    replaced: Sequence[tuple[Sink, LaneSettings]] | None = None,
    share: Share = ALONE,
) -> Parts:
    """Connect all parts of one worker; ``replaced`` stands in for the configured sinks.

    One of several gets the settings of its ``share``.
    """
    metrics = Metrics()
    certificates = Certificates(settings, metrics=metrics, clock=clock)
    chance = random.Random()
    budget = DocumentBudget(settings.beats.limits.total_bytes // 2)
    dead_letters = DeadLetters(
        Path(settings.data_dir) / "dead_letters",
        settings.dead_letters,
        clock=clock,
        metrics=metrics,
    )
    breath = Turnstile()
    if replaced is None:
        built = build_sinks(settings, clock, metrics, share, breath)
        replaced = list(zip(built, sink_settings(settings), strict=True))
    sinks = [sink for sink, _ in replaced]
    journal, taps = Journal(settings.why, clock=clock), Taps(clock)
    lanes = [
        Lane(
            sink=WatchedSink(sink, journal=journal, taps=taps),
            settings=one,
            budget=budget,
            dead_letters=dead_letters,
            metrics=metrics,
            clock=clock,
            random=chance,
        )
        for sink, one in replaced
    ]
    pipeline = compile_profile(profile)
    poison = PoisonRecord(Path(settings.data_dir) / "poison", share.number, clock)
    flow = Flow(
        pipeline,
        lanes=lanes,
        sinks=[sink.name for sink in sinks],
        budget=budget,
        dead_letters=dead_letters,
        metrics=metrics,
        clock=clock,
        breath=breath,
        event_bytes=settings.beats.limits.event_bytes,
        poison=poison,
        taps=taps,
        journal=journal,
    )

    def give_back() -> None:
        for lane in lanes:
            lane.give_back()

    def retry_streams() -> None:
        for lane in lanes:
            lane.retry_streams()

    source = BeatsSource(
        settings.beats,
        admit=flow.admit,
        sender_of=sender_of,
        turns=Budget(TURNS),
        breath=breath,
        give_back=give_back,
        metrics=metrics,
        clock=clock,
        chance=chance,
        tls=certificates.beats,
        workers=share.workers,
    )
    errands = Errands(
        admit=flow.admit,
        give_back=give_back,
        retry_streams=retry_streams,
        dead_letters=dead_letters,
        metrics=metrics,
    )
    return Parts(
        settings=settings,
        metrics=metrics,
        clock=clock,
        pipeline=pipeline,
        sinks=sinks,
        lanes=lanes,
        budget=budget,
        dead_letters=dead_letters,
        flow=flow,
        poison=poison,
        source=source,
        errands=errands,
        certificates=certificates,
        journal=journal,
        storyteller=Storyteller(
            journal,
            pipeline=lambda: flow.pipeline,
            lanes=lambda: {lane.name: lane.status() for lane in lanes},
        ),
        share=share,
        inquirers=[
            Inquirer(sink, lane, clock=clock) for sink, lane in zip(sinks, lanes, strict=True)
        ],
        chores=[
            one.keep_house for one in sinks if share.has_chores and isinstance(one, KeepsHouse)
        ],
    )
