"""`ptingest replay`: read a stretch of Kafka again through rules, beside what is stored."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, load_settings
from ptingest.cli.terminal import is_drawable, show_error
from ptingest.cli.visible import visible
from ptingest.doctor.units import plural

if TYPE_CHECKING:
    from ptingest.kafka.polled import Partition
    from ptingest.kafka.spans import Span, SpanReader
    from ptingest.model.finding import Finding
    from ptingest.settings.kafka import KafkaSourceSettings
    from ptingest.settings.profiles import Profile
    from ptingest.settings.server import ServerSettings
    from ptingest.tools.replay.changes import Changes
    from ptingest.tools.replay.position import Position
    from ptingest.tools.replay.replay import Progress

REPORT_SECONDS = 5.0


@click.command(
    epilog="Example: ptingest replay --from 2h --to 1h --profile new.yaml --namespace pt_replay"
)
@click.option(
    "--from", "since", metavar="TIME", required=True,
    help="Read what was written to Kafka since 15m, 1h or 7d ago, or since an ISO time (UTC).",
)  # fmt: skip
@click.option("--to", "until", metavar="TIME", help="Read until then; as --from. Default: now.")
@click.option(
    "--profile", metavar="PATH", type=click.Path(path_type=Path, exists=True),
    help="The rules to read it with; default: those of the config.",
)  # fmt: skip
@click.option("--namespace", metavar="NAME", help="Write to data streams of this namespace.")
@click.option("--store", "into_store", is_flag=True, help="Write to an embedded store of its own.")
@click.option(
    "--compare", "compares", is_flag=True,
    help="Write nothing; count what --profile would change, by service and field.",
)  # fmt: skip
@click.option(
    "--topic", "topics", metavar="NAME", multiple=True,
    help="Read this topic; may be given again. Default: the buffer's, else those of the config.",
)  # fmt: skip
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=5000.0, show_default=True,
    help="Limit of events per second, so that what is new is not held up.",
)  # fmt: skip
@click.option("--again", is_flag=True, help="Begin anew where an earlier replay was interrupted.")
@config_option
def replay(
    since: str,
    until: str | None,
    profile: Path | None,
    namespace: str | None,
    into_store: bool,
    compares: bool,
    topics: tuple[str, ...],
    rate: float,
    again: bool,
    config: Path | None,
) -> ExitCode:
    """Read a stretch of Kafka again through rules, into a place of its own.

    Neither the group's offsets nor what is stored are touched: documents go to data streams of
    another --namespace, to a --store of their own, or are only counted (--compare). Interrupted,
    the same command goes on where it stopped.

    Exit codes: 0 all is read and safe (--compare: nothing would change), 1 it ended early
    (--compare: something would change), 3 the config is invalid, 5 it was interrupted.
    """
    from ptingest.server.offline import run_offline

    if [namespace is not None, into_store, compares].count(True) != 1:
        raise click.UsageError("give one of --namespace NAME, --store and --compare")
    if compares and profile is None:
        raise click.UsageError(
            "--compare needs --profile: it compares those rules with the config's"
        )
    settings = load_settings(config)
    asked = _Asked(settings, profile, topics, since, until)
    asked.times()
    try:
        if compares:
            return asyncio.run(_compare(asked))
        return run_offline(_replay(asked, namespace, rate=rate, again=again))
    except KeyboardInterrupt:
        return ExitCode.NOT_ALL_DELIVERED


class _Asked(NamedTuple):
    """What is read."""

    settings: ServerSettings
    profile: Path | None
    topics: tuple[str, ...]
    since: str
    until: str | None

    def times(self) -> tuple[int, int | None]:
        """Milliseconds since the epoch.

        Raises:
            QueryInvalid: a text is no time.
            UsageError: nothing lies between them.
        """
        from ptingest.kql.times import asked_moment

        now = datetime.now(UTC)
        begin = asked_moment(self.since, now, name="--from")
        end = asked_moment(self.until, now, name="--to")
        if begin is None:
            raise click.UsageError("--from is empty; write an age as 2h, or a time")
        first, last = _millis(begin), None if end is None else _millis(end)
        if last is not None and last <= first:
            raise click.UsageError(
                f"--to {self.until} is not after --from {self.since}: nothing lies between"
            )
        return first, last

    @property
    def source(self) -> KafkaSourceSettings:
        from ptingest.tools.replay.targets import source_of

        return source_of(self.settings, self.topics)

    def rules(self) -> Profile:
        """The rules asked for."""
        from ptingest.server.assembly import read_profile

        if self.profile is None:
            return read_profile(self.settings, os.environ)
        named = self.settings.model_copy(update={"profile": str(self.profile.absolute())})
        return read_profile(named, os.environ)


def _millis(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


# --- into sinks ----------------------------------------------------------------------------


async def _replay(asked: _Asked, namespace: str | None, *, rate: float, again: bool) -> ExitCode:
    from ptingest.kafka.spans import SpanReader
    from ptingest.server.process.lock import DataDirLock
    from ptingest.tools.replay.targets import CONFIG, apart, in_namespace

    profile = asked.rules()
    if namespace is not None:
        profile = in_namespace(profile, namespace)
    name = "store" if namespace is None else namespace
    folder = Path(asked.settings.data_dir) / "replay" / name
    settings = apart(asked.settings, folder, into_store=namespace is None)
    reader = SpanReader(asked.source.properties())
    lock = DataDirLock(folder)
    lock.acquire()
    try:
        if namespace is None:
            (folder / "ptingest.yaml").write_text(CONFIG, encoding="utf-8")
        return await _into_sinks(asked, settings, profile, reader, rate=rate, again=again)
    finally:
        reader.close()
        lock.release()


async def _into_sinks(
    asked: _Asked, settings: ServerSettings, profile: Profile, reader: SpanReader, *, rate: float,
    again: bool,
) -> ExitCode:  # fmt: skip
    from ptingest.server.offline import running_offline
    from ptingest.server.process.clock import SystemClock
    from ptingest.tools.replay.replay import Replay

    folder, clock = Path(settings.data_dir), SystemClock()
    position = await _position(asked, folder, profile, reader, again=again)
    async with running_offline(settings, profile, clock=clock) as parts:
        for sink in parts.sinks:
            _warn(await sink.check())
        report = _Bar() if is_drawable(sys.stderr) else _Lines()
        running = Replay(
            reader,
            position,
            admit=parts.flow.admit,
            rate=rate,
            limit_bytes=settings.beats.limits.window_bytes,
            clock=clock,
            trouble=lambda: next((one.status.trouble or "" for one in parts.lanes), ""),
            report=report.show,
        )
        began = time.monotonic()
        try:
            await running.run()
        except asyncio.CancelledError:
            _say_interrupted(running.progress)
            raise
        finally:
            report.close()
        letters = parts.dead_letters.bytes
    position.forget()
    _say_done(running.progress, folder, time.monotonic() - began, letters=letters)
    return ExitCode.DONE


async def _spans(asked: _Asked, reader: SpanReader) -> dict[Partition, Span]:
    from ptingest.tools.replay.replay import find_spans

    def say(reason: str) -> None:
        click.echo(f"waiting: {visible(reason)}", err=True)

    return await find_spans(reader, asked.source.topics, *asked.times(), say=say)


async def _position(
    asked: _Asked, folder: Path, profile: Profile, reader: SpanReader, *, again: bool
) -> Position:
    from hashlib import sha256

    from ptingest.settings.transfer import pack_profile
    from ptingest.tools.replay.position import Asked, Position

    source = asked.source
    digest = sha256(pack_profile(profile)).hexdigest()
    wanted = Asked(asked.since, asked.until, source.topics, digest)
    found = None if again else Position.load(folder, wanted)
    if found is None:
        spans = await _spans(asked, reader)
        found = Position(folder, wanted, spans)
        found.save()
    click.echo(
        f"{found.left} records of {plural(len(found.spans), 'partition')} of "
        f"{', '.join(source.topics)} are to be read"
        + (f"; {found.events} events were done before" if found.events else ""),
        err=True,
    )
    return found


def _warn(findings: Sequence[Finding]) -> None:
    """Say what is wrong with a sink before anything is written; its documents wait meanwhile."""
    for one in findings:
        if one.mark == "problem":
            show_error(f"warning: {one.sentence}; {one.cure}")


def _say_interrupted(progress: Progress) -> None:
    show_error(
        f"interrupted: {plural(progress.events, 'event')} are safe, {progress.left} records are "
        "left; run the same command again to go on"
    )


def _say_done(progress: Progress, folder: Path, seconds: float, *, letters: int) -> None:
    rate = progress.events / max(seconds, 1e-9)
    click.echo(
        f"{plural(progress.events, 'event')} read again, {seconds:.1f} s, {rate:.0f} a second"
    )
    _say_gaps(progress)
    if letters:
        click.echo(f"events that no sink takes are dead letters in {folder}/dead_letters")
    if (folder / "ptingest.yaml").exists():
        click.echo(f"search them: ptingest search '*' --config {folder}/ptingest.yaml")


def _say_gaps(progress: Progress) -> None:
    for gap in progress.gaps:
        show_error(
            f"warning: records {gap.first} to {gap.end - 1} of partition {gap.partition.number} "
            f"of {gap.partition.topic} were deleted before they were read; see its retention"
        )


# --- only compared ----------------------------------------------------------------------------


async def _compare(asked: _Asked) -> ExitCode:
    from ptingest.kafka.spans import SpanReader
    from ptingest.pipeline.compile import compile_profile
    from ptingest.server.process.clock import SystemClock
    from ptingest.tools.replay.position import Asked, Position
    from ptingest.tools.replay.replay import compare

    after = compile_profile(asked.rules())
    before = compile_profile(asked._replace(profile=None).rules())
    source = asked.source
    reader = SpanReader(source.properties())
    report = _Bar() if is_drawable(sys.stderr) else _Lines()
    try:
        spans = await _spans(asked, reader)
        wanted = Asked(asked.since, asked.until, source.topics, "")
        changes = await compare(
            reader,
            Position(Path(), wanted, spans),
            before=before,
            after=after,
            limit_bytes=asked.settings.beats.limits.window_bytes,
            clock=SystemClock(),
            report=report.show,
        )
    finally:
        report.close()
        reader.close()
    return _show(changes)


def _show(changes: Changes) -> ExitCode:
    """Print what would change: fates first, then fields, the most frequent first."""
    for (service, was, becomes), count in changes.fates.most_common():
        click.echo(
            f"{visible(service or '(no service)')}: {plural(count, 'event')}: {visible(was)} "
            f"-> {visible(becomes)}"
        )
    for (service, path), count in changes.fields.most_common():
        example = changes.examples[service, path]
        left, right = (visible(repr(value)) for value in example)
        what = f"{visible(service)}: {visible(path)}: {plural(count, 'document')}"
        click.echo(f"{what}, e.g. {left} -> {right}")
    click.echo(f"{plural(changes.events, 'event')} compared, {changes.unchanged} would not change")
    return ExitCode.DONE if changes.unchanged == changes.events else ExitCode.FAILED


# --- progress ------------------------------------------------------------------------------------


class _Lines:
    """Progress for a log file: a line every few seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= REPORT_SECONDS:
            self._last = now
            said = f"; waiting: {visible(progress.waiting)}" if progress.waiting else ""
            click.echo(f"{progress.events} events, {progress.left} records left{said}", err=True)

    def close(self) -> None:
        """Nothing to clean up."""


class _Bar:
    """Progress for a person: how much is read, and what keeps it waiting."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            BarColumn(20),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, detail="")
        self._bar.start()

    def show(self, progress: Progress) -> None:
        said = visible(progress.waiting) or f"{progress.events} events"
        self._bar.update(
            self._task,
            total=progress.offsets,
            completed=progress.offsets - progress.left,
            detail=said,
        )

    def close(self) -> None:
        self._bar.stop()
