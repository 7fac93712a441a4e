"""`ptingest check`: would this config work, and what does it set?

Reads and reports; creates, locks and binds nothing, so it may run beside a server. Sinks are
asked, as a server would ask them, only with ``--connect``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, load_settings
from ptingest.cli.terminal import show_finding, width_of, wrapped
from ptingest.model.finding import Finding

if TYPE_CHECKING:
    from ptingest.settings.logstash import LogstashSettings
    from ptingest.settings.profile import PatternSettings, ProfileSettings
    from ptingest.settings.profiles import Profile
    from ptingest.settings.server import ServerSettings
    from ptingest.settings.sinks import ClusterSettings

BEAT_GIVES_UP_SECONDS = 30
"""Filebeat's own `timeout`, and the longest time without an ack or keepalive."""
HTTP_BODY_BYTES = 100 << 20
"""A cluster's `http.max_content_length` unless the cluster says otherwise."""
CONNECT_SECONDS = 30.0


@click.command(epilog="Example: ptingest check --config ptingest.yaml --connect")
@config_option
@click.option(
    "--connect",
    is_flag=True,
    help="Also ask each sink and the buffer whether they would take events, and Kafka for the "
    "topics that are read.",
)
def check(config: Path | None, connect: bool) -> ExitCode:
    """Find out whether a config would work: values, files, every pattern's samples.

    Exit codes: 0 yes, 3 no, 4 a sink does not answer or refuses the login.
    """
    from ptingest.server.requirements import require_kafka

    settings = load_settings(config)
    click.echo(f"{config or 'defaults (no --config)'}\n")
    require_kafka(settings)
    profile, findings = look_at_profile(settings)
    for line in _summary(settings, profile, width=width_of(sys.stdout)):
        click.echo(line)
    click.echo()
    findings += [*look_at_files(settings), *look_at_values(settings)]
    for finding in findings:
        show_finding(finding)
    if any(finding.mark == "problem" for finding in findings):
        return ExitCode.CONFIG_INVALID
    if connect and not _ask_sinks(settings, profile):
        return ExitCode.NOT_REACHABLE
    click.echo("The config is valid.")
    return ExitCode.DONE


def look_at_profile(settings: ServerSettings) -> tuple[Profile, list[Finding]]:
    """Load the rules; try every pattern's samples, or compile a logstash.conf."""
    from ptingest.pipeline.compile import packaged_profile_path
    from ptingest.settings.load import load_rules
    from ptingest.settings.profile import ProfileSettings

    path = Path(settings.profile) if settings.profile else packaged_profile_path()
    rules = load_rules(path, os.environ, settings.logstash_config)
    if isinstance(rules, ProfileSettings):
        return rules, _look_at_patterns(path, rules)
    return rules, _look_at_logstash(settings, path, rules)


def _look_at_logstash(
    settings: ServerSettings, path: Path, rules: LogstashSettings
) -> list[Finding]:
    from ptingest.pipeline.logstash.judgement import rows_of
    from ptingest.pipeline.logstash.pipeline import compile_logstash
    from ptingest.server.requirements import require_parts

    pipeline = compile_logstash(rules)
    require_parts(settings, pipeline, path)
    plugins = pipeline.program.plugins
    filters = sum(plugin.kind == "filter" for plugin in plugins)
    outputs = len(plugins) - filters
    findings = [
        Finding("ok", path.name, f"{filters} filters and {outputs} outputs can be run"),
        *(
            Finding("note", f"{row.plugin}.{row.option}", f"{row.place}: {row.how}")
            for row in rows_of(pipeline.program.config)
            if row.judgement == "different"
        ),
    ]
    if not outputs:
        seen = "has no output: every event is dropped"
        findings.append(Finding("warning", path.name, seen, "add an output"))
    return findings


def _look_at_patterns(path: Path, profile: ProfileSettings) -> list[Finding]:
    from ptingest.pipeline.compile import run_samples

    findings = [Finding("problem", path.name, problem) for problem in run_samples(profile)]
    patterns = [pattern for group in profile.groups for pattern in group.patterns]
    samples = sum(len(pattern.samples) for pattern in patterns)
    if not findings:
        findings.append(
            Finding("ok", "samples", f"{samples} samples of {len(patterns)} patterns match")
        )
    findings += [
        Finding(
            "warning",
            f"pattern {pattern.name}",
            "has no samples: a change that breaks it would not be noticed",
            "add a line to its samples",
        )
        for pattern in patterns
        if not pattern.samples
    ]
    findings += [_look_at_expression(pattern) for pattern in patterns if pattern.regex is not None]
    findings += [
        Finding(
            "note",
            f"group {group.group}",
            f"open: {group.max_services} services beside known_services may create a data stream, "
            "in each process, whichever Beat sends their events",
            "only_known_services: true closes it",
        )
        for group in profile.groups
        if not group.only_known_services and group.max_services
    ]
    return findings


def _look_at_expression(pattern: PatternSettings) -> Finding:
    from ptingest.cli.expressions import look_at_expression

    mark, detail, cure = look_at_expression(pattern)
    return Finding(mark, f"pattern {pattern.name}", detail, cure)


def _summary(settings: ServerSettings, profile: Profile, *, width: int | None) -> Iterator[str]:
    from ptingest.cli.certificates import show_access
    from ptingest.settings.explain import show_bytes
    from ptingest.settings.profile import ProfileSettings
    from ptingest.settings.profiles import groups_of

    scheme = "https" if settings.api.tls else "http"
    rows = [
        ("workers", _show_workers(settings)),
        ("data_dir", settings.data_dir),
        ("profile", settings.profile or "as packaged"),
    ]
    if settings.has_beats_port:
        rows.append(("beats", f"{settings.beats.listen}, {show_access(settings)}"))
    rows.append(("api", f"{scheme}://{settings.api.listen}/ (livez readyz metrics status)"))
    rows += [("kafka", shown) for shown in settings.kafka_sentences()]
    if settings.writes_to_sinks:
        rows += [("sink", shown) for shown in _show_sinks(settings)]
    dead = settings.dead_letters
    rows += [
        ("dead letters", f"up to {show_bytes(dead.max_bytes)}, when full: {dead.when_full}"),
        ("memory", f"events: up to {show_bytes(settings.beats.limits.total_bytes)}"),
    ]
    for group in groups_of(profile):
        stream = group.data_stream
        rows.append(("route", f"{group.group}: {stream.type}-<service>-{stream.namespace}"))
    departing = departures(profile) if isinstance(profile, ProfileSettings) else ""
    rows.append(("parity", departing or "documents as Logstash 8 makes them"))
    for name, value in rows:
        first = f"  {name:13}"
        yield from wrapped(str(value), first=first, indent=len(first), width=width)


def _show_sinks(settings: ServerSettings) -> Iterator[str]:
    sinks, folder = settings.sinks, Path(settings.data_dir)
    if sinks.store is not None:
        yield f"store: {folder / sinks.store.path}"
    for place, one in sinks.clusters_by_place().items():
        yield _show_cluster(place.rpartition("s.")[2], one)
    if sinks.ndjson is not None:
        path = sinks.ndjson.path
        yield f"ndjson: {'standard output' if path == '-' else folder / path}"
    if sinks.file is not None:
        yield "file: where outputs file of the logstash.conf say"
    if sinks.kafka is not None:
        brokers = ", ".join(sinks.kafka.brokers)
        yield f"kafka: topics of outputs kafka of the logstash.conf, at {brokers}"
    if sinks.stdout is not None:
        yield "stdout: standard output"


def _show_workers(settings: ServerSettings) -> str:
    from ptingest.server.worker_share import worker_count

    workers = worker_count(settings)
    if workers == 1:
        return "1, this process itself"
    return f"{workers}{' (one for each core)' if settings.workers == 0 else ''}, and a supervisor"


def _show_cluster(name: str, sink: ClusterSettings) -> str:
    login = "no login"
    if getattr(sink, "api_key", None) is not None:
        login = "with an API key"
    elif sink.username is not None:
        login = f"as {sink.username}"
    return f"{name}: {', '.join(sink.hosts)} {login}, ids {sink.ids}"


def departures(profile: ProfileSettings) -> str:
    """Name the options that make documents differ from Logstash's; empty when none does."""
    from ptingest.settings.packaged_patterns import packaged_patterns

    as_logstash = {
        "parsing": "parity",
        "timestamp_precision": "parity",
        "event_original": "keep",
        "sanitise_names": "off",
    }
    found = [
        f"{name}: {getattr(profile, name)}"
        for name, value in as_logstash.items()
        if getattr(profile, name) != value
    ]
    found += [
        f"groups.{group.group}.only_known_services: true"
        for group in profile.groups
        if group.only_known_services
    ]
    packaged = packaged_patterns()
    for group in profile.groups:
        on = [pattern.name for pattern in group.patterns if pattern.name in packaged]
        found += [f"groups.{group.group}.patterns {', '.join(on)}"] if on else []
        found += [f"groups.{group.group}.numbers"] if group.numbers else []
    return f"departs from Logstash: {', '.join(found)}" if found else ""


def look_at_files(settings: ServerSettings) -> Iterator[Finding]:
    """Say whether the folders and files the settings name can be used by this user."""
    from ptingest.cli.certificates import look_at_certificates, may_name_files

    yield _look_at_folder(Path(settings.data_dir))
    if may_name_files(settings):
        yield from look_at_certificates(settings, now=time.time())


def _look_at_folder(data_dir: Path) -> Finding:
    # Not `Path.exists`, which raises if a parent folder may not be read.
    existing = next(path for path in (data_dir, *data_dir.parents) if os.path.exists(path))  # noqa: PTH110
    if not existing.is_dir():
        return Finding("problem", "data_dir", f"{existing} is not a folder", "use another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        seen = f"{existing} cannot be written to by this user"
        return Finding(
            "problem", "data_dir", seen, "give this user write access, or use another folder"
        )
    if existing != data_dir:
        return Finding("ok", "data_dir", f"{data_dir} will be created")
    return Finding("ok", "data_dir", f"{data_dir} can be written to")


def look_at_values(settings: ServerSettings) -> Iterator[Finding]:
    """Yield settings that are valid alone but make no sense together."""
    from ptingest.cli.certificates import look_at_ports
    from ptingest.model.address import split_listen

    yield from look_at_ports(settings)
    beats, limits = settings.beats, settings.beats.limits
    if split_listen(beats.listen)[1] == split_listen(settings.api.listen)[1] != 0:
        seen = f"is {settings.api.listen}, the port of beats.listen"
        yield Finding("problem", "api.listen", seen, "give each its own port")
    if beats.keepalive_seconds >= BEAT_GIVES_UP_SECONDS:
        seen = (
            f"is {beats.keepalive_seconds:g}, but a Beat disconnects after 30 s without an answer"
        )
        yield Finding("warning", "beats.keepalive_seconds", seen, "write 10 or less")
    if limits.frame_bytes > limits.window_bytes:
        seen = "is larger than beats.limits.window_bytes, which is reached first"
        yield Finding("warning", "beats.limits.frame_bytes", seen, "make it smaller or equal")
    if limits.connection_bytes > limits.total_bytes // 2:
        seen = "is more than half of beats.limits.total_bytes: one Beat can stop all others"
        yield Finding("warning", "beats.limits.connection_bytes", seen, "make it smaller")
    yield from _look_at_workers(settings)
    if settings.sinks.store is None and settings.sinks.ndjson is None:
        waiting = (
            "Beats wait and keep their logs" if settings.has_beats_port else "Kafka keeps them"
        )
        yield Finding("note", "sinks", f"while no sink can be reached, {waiting}")
    for place, sink in settings.sinks.clusters_by_place().items():
        yield from _look_at_cluster(place, sink)


def _look_at_workers(settings: ServerSettings) -> Iterator[Finding]:
    from ptingest.server.worker_share import cores, worker_count

    if worker_count(settings) > cores():
        seen = f"is {settings.workers}, but this process may use {cores()} cores"
        yield Finding(
            "note", "workers", seen, "more workers than cores cost memory, and bring no speed"
        )


def _look_at_cluster(name: str, sink: ClusterSettings) -> Iterator[Finding]:
    # Not `or`: an empty secret is false.
    secret = getattr(sink, "api_key", None) if sink.password is None else sink.password
    if secret is not None and not secret.get_secret_value():
        which = "api_key" if sink.password is None else "password"
        yield Finding("warning", f"{name}.{which}", "is empty", "is its variable set?")
    if secret is not None and any(host.startswith("http://") for host in sink.hosts):
        seen = "http sends the login unencrypted over the network"
        yield Finding("warning", f"{name}.hosts", seen, "use https where the network is shared")
    if sink.ids == "none":
        yield Finding("note", f"{name}.ids", "is none: a resend may store events twice")
    if sink.batch.max_bytes > HTTP_BODY_BYTES:
        seen = "is more than a cluster takes (http.max_content_length, 100 MiB)"
        yield Finding("warning", f"{name}.batch.max_bytes", seen, "write 5MiB to 20MiB")
    if sink.shard_seconds >= sink.request_seconds:
        seen = "is not below request_seconds: answers come after the request has ended"
        yield Finding("warning", f"{name}.shard_seconds", seen, "write a sixth of it")


def _ask_sinks(settings: ServerSettings, profile: Profile) -> bool:
    import asyncio

    findings = asyncio.run(_findings(settings, profile))
    for sink, finding in findings:
        show_finding(finding._replace(subject=f"{sink}: {finding.subject}"))
    return all(finding.is_ok for _, finding in findings)


async def _findings(settings: ServerSettings, profile: Profile) -> list[tuple[str, Finding]]:
    import asyncio

    from ptingest.pipeline.route import stream_names
    from ptingest.server.assembly import build_sinks
    from ptingest.server.process.clock import SystemClock
    from ptingest.telemetry.metrics import Metrics

    found: list[tuple[str, Finding]] = []
    if settings.buffer is not None:
        from ptingest.buffer.checking import look_at_buffer

        found += [("kafka", finding) for finding in await look_at_buffer(settings.buffer.kafka)]
    if settings.kafka is not None:
        from ptingest.sources.kafka.checking import look_at_source

        found += [("kafka", finding) for finding in await look_at_source(settings.kafka)]
    if not settings.writes_to_sinks:
        return found
    for sink in build_sinks(settings, stream_names(profile), SystemClock(), Metrics()):
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found += [(sink.name, finding) for finding in await sink.check()]
        except TimeoutError:
            detail = f"no answer for {CONNECT_SECONDS:g} s"
            cure = "is it running, and does a firewall drop the packets?"
            found.append((sink.name, Finding("problem", "reachable", detail, cure)))
        finally:
            await sink.close()
    return found
