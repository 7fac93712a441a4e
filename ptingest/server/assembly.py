"""The parts list of a worker: the one place where settings become connected parts."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from ptingest.buffer.buffer import KafkaBuffer
from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.budget import Budget
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.health_check import HealthCheck
from ptingest.delivery.lane import Lane
from ptingest.errors import ConfigInvalid, ConfigProblem, KafkaUnusable
from ptingest.model.contracts import Buffer, Checkpoint, Clock, Sink, Source
from ptingest.model.streams import StreamNames
from ptingest.observe.observer import Observer
from ptingest.observe.taps import Taps
from ptingest.observe.trace import TraceReader
from ptingest.observe.trace_buffer import TraceBuffer, WatchedSink
from ptingest.pipeline.compile import compile_profile, packaged_profile_path, run_samples
from ptingest.pipeline.route import stream_names
from ptingest.pipeline.sender import sender_of
from ptingest.server.certificates import Certificates
from ptingest.server.custody import Custody
from ptingest.server.event_loop.fair_share import FairShare
from ptingest.server.flow import Flow
from ptingest.server.poison import PoisonRecord
from ptingest.server.processing import Processing
from ptingest.server.requeue import RequeueJobs
from ptingest.server.requirements import require_parts
from ptingest.server.worker_share import ALONE, Share
from ptingest.settings.kafka import MIB, KafkaSourceSettings
from ptingest.settings.load import load_rules
from ptingest.settings.logstash import LogstashSettings
from ptingest.settings.profiles import Profile
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import (
    ClusterSettings,
    FileSettings,
    KafkaSinkSettings,
    LaneSettings,
    NdjsonSettings,
    StdoutSettings,
    StoreSettings,
)
from ptingest.sinks.read.reader import failure_reader
from ptingest.sources.beats.inflate_permits import INFLATE_PERMITS
from ptingest.sources.beats.server import BeatsSource
from ptingest.telemetry.metrics import Metrics


@runtime_checkable
class HasMaintenance(Protocol):
    """A sink whose maintenance is done by one of several writers."""

    async def maintain(self) -> None: ...


@runtime_checkable
class HasOccupancy(Protocol):
    """A sink that stores on this host, up to a limit."""

    def room(self) -> dict[str, object]: ...


@runtime_checkable
class NamesStreams(Protocol):
    """A sink that asks for rights on the data streams of the profile in force."""

    streams: StreamNames


@runtime_checkable
class HasFailureStore(Protocol):
    """A sink that may put documents into a failure store."""

    def failures(self) -> dict[str, object]: ...


@dataclass(slots=True)
class Parts:
    """Everything one worker runs, connected and not yet started."""

    settings: ServerSettings
    share: Share
    metrics: Metrics
    clock: Clock
    certificates: Certificates
    budget: DocumentBudget
    buffer_budget: Budget
    """Of records on their way into the buffer; nothing takes it where there is none."""
    dead_letters: DeadLetters
    sinks: list[Sink]
    lanes: list[Lane]
    checks: list[HealthCheck]
    maintenance: list[Callable[[], Awaitable[None]]]
    """What one of several workers does every second for all of them."""
    processing: Processing
    observer: Observer
    trace_reader: TraceReader
    flow: Flow
    source: BeatsSource
    """The Beats port, which role index does not open."""
    buffer: Buffer | None
    """What Beats' events go to before the flow; None where they go to it at once."""
    kafka: list[Source]
    """What is read from Kafka into the flow."""
    jobs: RequeueJobs


def read_profile(settings: ServerSettings, environ: Mapping[str, str]) -> Profile:
    """Load the rules that the settings name, else the packaged profile, and check them.

    Raises:
        ConfigInvalid: they are broken, or a pattern does not do what its sample says.
    """
    path = Path(settings.profile) if settings.profile else packaged_profile_path()
    profile = load_rules(path, environ, settings.logstash_config)
    if isinstance(profile, LogstashSettings):
        require_parts(settings, compile_profile(profile), path)
        return profile
    cure = "correct the pattern or the sample; `ptingest try` shows what a line becomes"
    problems = [
        ConfigProblem(file=str(path), path="", seen=problem, cure=cure)
        for problem in run_samples(profile)
    ]
    if problems:
        raise ConfigInvalid(tuple(problems))
    return profile


def sink_settings(settings: ServerSettings) -> list[LaneSettings]:
    """The settings of every sink that is configured, in a fixed order."""
    return list(settings.sinks.by_name().values())


def sink_names(settings: ServerSettings) -> list[str]:
    """The names of those sinks, in the same order."""
    return list(settings.sinks.by_name())


def build_sinks(
    settings: ServerSettings,
    streams: StreamNames,
    clock: Clock,
    metrics: Metrics,
    share: Share = ALONE,
    checkpoint: Checkpoint | None = None,
) -> list[Sink]:
    """Build the configured sinks; nothing is opened or connected yet."""
    parts = _SinkParts(settings, streams, clock, metrics, share, checkpoint or FairShare())
    return [_build_sink(name, one, parts) for name, one in settings.sinks.by_name().items()]


class _SinkParts(NamedTuple):
    """What sinks are built with."""

    settings: ServerSettings
    streams: StreamNames
    clock: Clock
    metrics: Metrics
    share: Share
    checkpoint: Checkpoint


def _build_sink(name: str, one: LaneSettings, parts: _SinkParts) -> Sink:
    data_dir = Path(parts.settings.data_dir)
    match one:
        case StoreSettings():
            from ptingest.sinks.store.sink import StoreSink

            return StoreSink(
                one,
                path=data_dir / one.path,
                clock=parts.clock,
                does_maintenance=parts.share.does_maintenance,
                is_alone=parts.share.workers == 1,
            )
        case ClusterSettings():
            from ptingest.sinks.elasticsearch.sink import ElasticsearchSink

            return ElasticsearchSink(
                one,
                name=name,
                clock=parts.clock,
                metrics=parts.metrics,
                checkpoint=parts.checkpoint,
                streams=parts.streams,
            )
        case NdjsonSettings():
            from ptingest.sinks.ndjson import NdjsonSink

            return NdjsonSink(one, path=None if one.path == "-" else data_dir / one.path)
        case _:
            return _build_output(name, one)


def _build_output(name: str, one: LaneSettings) -> Sink:
    """Build a sink of an output that only a logstash.conf has."""
    if isinstance(one, FileSettings):
        from ptingest.sinks.file import FileSink

        return FileSink(one)
    if isinstance(one, KafkaSinkSettings):
        from ptingest.sinks.kafka.sink import KafkaSink

        try:
            return KafkaSink(one)
        except KafkaUnusable as error:
            raise error.in_config("sinks.kafka") from None
    assert isinstance(one, StdoutSettings)
    from ptingest.sinks.ndjson import NdjsonSink
    from ptingest.sinks.stdout import printed

    return NdjsonSink(NdjsonSettings(path="-"), path=None, name=name, print_as=printed)


class _Shared(NamedTuple):
    """What nearly every part is built with."""

    settings: ServerSettings
    share: Share
    metrics: Metrics
    clock: Clock
    chance: random.Random
    checkpoint: FairShare


def build(
    settings: ServerSettings,
    profile: Profile,
    *,
    clock: Clock,
    replaced: Sequence[tuple[Sink, LaneSettings]] | None = None,
    share: Share = ALONE,
) -> Parts:
    """Connect all parts of one worker; ``replaced`` takes the place of the configured sinks."""
    shared = _Shared(settings, share, Metrics(), clock, random.Random(), FairShare())
    certificates = Certificates(settings, metrics=shared.metrics, clock=clock)
    budget, buffer_budget = _budgets(settings.outstanding_bytes)
    dead_letters = _dead_letters(shared)
    processing = _processing(shared, profile)
    observer = _observer(shared, processing)
    sinks = _sinks(shared, profile, replaced)
    lanes = [_lane(shared, sink, one, budget, dead_letters, observer) for sink, one in sinks]
    flow = _flow(shared, processing, lanes, budget, dead_letters, observer)
    buffer = _buffer(shared, buffer_budget, dead_letters)
    return Parts(
        settings=settings,
        share=share,
        metrics=shared.metrics,
        clock=clock,
        certificates=certificates,
        budget=budget,
        buffer_budget=buffer_budget,
        dead_letters=dead_letters,
        sinks=[sink for sink, _ in sinks],
        lanes=lanes,
        checks=_health_checks([sink for sink, _ in sinks], lanes, clock),
        maintenance=_maintenance(share, [sink for sink, _ in sinks]),
        processing=processing,
        observer=observer,
        trace_reader=_trace_reader(observer, processing, lanes),
        flow=flow,
        source=_source(shared, flow, buffer, lanes, certificates),
        buffer=buffer,
        kafka=_kafka_sources(shared, flow, lanes),
        jobs=_jobs(shared, flow, buffer, lanes, dead_letters, processing),
    )


def _budgets(limit_bytes: int) -> tuple[DocumentBudget, Budget]:
    """Return one for documents and one for the buffer, so that neither waits for the other."""
    return DocumentBudget(limit_bytes), Budget(limit_bytes)


def _sinks(
    shared: _Shared, profile: Profile, replaced: Sequence[tuple[Sink, LaneSettings]] | None
) -> Sequence[tuple[Sink, LaneSettings]]:
    if not shared.settings.writes_to_sinks:
        return ()
    if replaced is not None:
        return replaced
    streams = stream_names(profile)
    built = build_sinks(
        shared.settings, streams, shared.clock, shared.metrics, shared.share, shared.checkpoint
    )
    return list(zip(built, sink_settings(shared.settings), strict=True))


def _maintenance(share: Share, sinks: Sequence[Sink]) -> list[Callable[[], Awaitable[None]]]:
    return [
        one.maintain
        for one in sinks
        if share.maintains_for_others and isinstance(one, HasMaintenance)
    ]


def _health_checks(sinks: Sequence[Sink], lanes: Sequence[Lane], clock: Clock) -> list[HealthCheck]:
    return [
        HealthCheck(sink, lane.health, clock=clock) for sink, lane in zip(sinks, lanes, strict=True)
    ]


def _dead_letters(shared: _Shared) -> DeadLetters:
    return DeadLetters(
        Path(shared.settings.data_dir) / "dead_letters",
        shared.settings.dead_letters,
        clock=shared.clock,
        metrics=shared.metrics,
    )


def _processing(shared: _Shared, profile: Profile) -> Processing:
    folder = Path(shared.settings.data_dir) / "poison"
    return Processing(
        compile_profile(profile),
        event_bytes=shared.settings.beats.limits.event_bytes,
        poison=PoisonRecord(folder, shared.share.number, shared.clock),
        checkpoint=shared.checkpoint,
        metrics=shared.metrics,
    )


def _observer(shared: _Shared, processing: Processing) -> Observer:
    return Observer(
        lambda: processing.pipeline,
        taps=Taps(shared.clock),
        trace_buffer=TraceBuffer(shared.settings.why, clock=shared.clock),
    )


def _lane(
    shared: _Shared,
    sink: Sink,
    settings: LaneSettings,
    budget: DocumentBudget,
    dead_letters: DeadLetters,
    observer: Observer,
) -> Lane:
    return Lane(
        sink=WatchedSink(sink, trace_buffer=observer.trace_buffer, taps=observer.taps),
        settings=settings,
        budget=budget,
        dead_letters=dead_letters,
        metrics=shared.metrics,
        clock=shared.clock,
        random=shared.chance,
    )


def _flow(
    shared: _Shared,
    processing: Processing,
    lanes: Sequence[Lane],
    budget: DocumentBudget,
    dead_letters: DeadLetters,
    observer: Observer,
) -> Flow:
    return Flow(
        processing,
        lanes=lanes,
        custody=Custody([lane.name for lane in lanes], shared.metrics),
        budget=budget,
        dead_letters=dead_letters,
        metrics=shared.metrics,
        clock=shared.clock,
        observer=observer,
    )


def _trace_reader(observer: Observer, processing: Processing, lanes: Sequence[Lane]) -> TraceReader:
    return TraceReader(
        observer.trace_buffer,
        pipeline=lambda: processing.pipeline,
        lanes=lambda: {lane.name: lane.status.row() for lane in lanes},
    )


def _source(
    shared: _Shared,
    flow: Flow,
    buffer: Buffer | None,
    lanes: Sequence[Lane],
    certificates: Certificates,
) -> BeatsSource:
    return BeatsSource(
        shared.settings.beats,
        admit=flow.admit if buffer is None else buffer.admit,
        sender_of=sender_of,
        permits=Budget(INFLATE_PERMITS),
        checkpoint=shared.checkpoint,
        give_back=lambda: _each(lanes, Lane.give_back),
        due_at=_due_at(lanes if buffer is None else ()),
        metrics=shared.metrics,
        clock=shared.clock,
        chance=shared.chance,
        tls=certificates.beats,
        workers=shared.share.workers,
    )


def _due_at(lanes: Sequence[Lane]) -> Callable[[str], float]:
    """When the last of the lanes would write a small window of a sender."""
    return lambda sender: max([one.small_due_at(sender) for one in lanes], default=-math.inf)


def _buffer(shared: _Shared, budget: Budget, dead_letters: DeadLetters) -> Buffer | None:
    settings = shared.settings
    if settings.buffer is None or not settings.has_beats_port:
        return None
    try:
        return KafkaBuffer(
            settings.buffer.kafka,
            budget=budget,
            dead_letters=dead_letters,
            checkpoint=shared.checkpoint,
            metrics=shared.metrics,
            clock=shared.clock,
        )
    except KafkaUnusable as error:
        raise error.in_config("buffer.kafka") from None


def _kafka_sources(shared: _Shared, flow: Flow, lanes: Sequence[Lane]) -> list[Source]:
    """Sources that read from Kafka: topics of others, and the buffer where it is read here."""
    settings = shared.settings
    found: dict[str, KafkaSourceSettings] = {}
    if settings.kafka is not None:
        found["kafka"] = settings.kafka
    if settings.buffer is not None and settings.writes_to_sinks:
        found["buffer"] = settings.buffer.kafka.as_source()
    return [_kafka_source(shared, name, one, flow, lanes) for name, one in found.items()]


def _kafka_source(
    shared: _Shared, name: str, settings: KafkaSourceSettings, flow: Flow, lanes: Sequence[Lane]
) -> Source:
    from ptingest.sources.kafka.source import KafkaSource

    try:
        return KafkaSource(
            settings,
            name=name,
            admit=flow.admit,
            checkpoint=shared.checkpoint,
            give_back=lambda: _each(lanes, Lane.give_back),
            # The buffer's records hold 1 MiB of events, or one event that is larger.
            record_limit_bytes=MIB + shared.settings.beats.limits.frame_bytes,
            metrics=shared.metrics,
            clock=shared.clock,
            chance=shared.chance,
        )
    except KafkaUnusable as error:
        raise error.in_config("buffer.kafka" if name == "buffer" else name) from None


def _jobs(
    shared: _Shared,
    flow: Flow,
    buffer: Buffer | None,
    lanes: Sequence[Lane],
    dead_letters: DeadLetters,
    processing: Processing,
) -> RequeueJobs:
    def streams() -> StreamNames:
        return stream_names(processing.pipeline.profile)

    def event_of(body: bytes) -> bytes | None:
        return processing.pipeline.event_of(body)

    # A letter is requeued to where it comes from: a receiver has letters of its buffer only.
    to_buffer = buffer if not lanes else None

    async def prepare() -> None:
        _each(lanes, Lane.retry_streams)
        if to_buffer is not None:
            await to_buffer.look_again()

    return RequeueJobs(
        admit=flow.admit if to_buffer is None else to_buffer.admit,
        give_back=lambda: _each(lanes, Lane.give_back),
        prepare=prepare,
        dead_letters=dead_letters,
        metrics=shared.metrics,
        event_of=event_of,
        failures=failure_reader(shared.settings, streams),
    )


def _each(lanes: Sequence[Lane], what: Callable[[Lane], object]) -> None:
    for lane in lanes:
        what(lane)
