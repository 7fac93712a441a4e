"""`ptingest bench`: measure what your own lines cost on this machine.

FILE is read as `try` reads it and made into the windows a Beat would send. They go through the
server's own code in this process, to a bulk body that is not sent and to a store in a temporary
folder. The cost of the two sockets is estimated, not measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, copyable, load_settings
from ptingest.cli.terminal import is_drawable, width_of, wrapped

if TYPE_CHECKING:
    from ptingest.settings.profile import ProfileSettings
    from ptingest.settings.profiles import Profile
    from ptingest.tools.bench.runner import BenchReport, Plan, Rounds
    from ptingest.tools.bench.workload import Workload

RATES = (1_000.0, 10_000.0, 100_000.0)
EVENTS_A_SECOND = 1024
"""Events of one round for each second of measuring, so that there are several rounds."""
BAR = 24
"""Characters of the longest bar."""

CURES = {
    "unreadable": "not one JSON object each: they become dead letters; `ptingest try` shows them",
    "not_utf8": "say the file's real encoding in Filebeat's input (`encoding: latin1`)",
    "other_group": "dropped: their group is not in the profile; let Filebeat send them elsewhere",
    "profile": "the profile sets a field twice (group fields, patterns, categories): rename one",
    "no_message": "Filebeat sends `message` as text; find the processor that removes or changes it",
    "service": "give each input a plain lower-case `service` with fields_under_root: true",
    "field_in_the_way": "the profile sets this field: remove it with Filebeat's drop_fields",
    "double_key": "an event has one key twice: find the processor that adds it again",
    "tags": "make `tags` a list of texts, without the failure tag",
    "no_time": "neither the line nor the event has a time: find what removes Filebeat's @timestamp",
    "other": "no reason known",
}


@click.command(epilog="Example: ptingest bench /var/log/pt/django.log --service django --multiline")
@click.argument("file", metavar="FILE", type=click.File("rb"))
@click.option("--service", help="The input is plain log lines of this service.")
@click.option(
    "--group",
    default=None,
    help="With --service: the group; otherwise the one that knows the service.",
)
@click.option(
    "--multiline",
    is_flag=True,
    help="With --service: a line that does not begin a record is joined to the last.",
)
@click.option(
    "--rate",
    "rates",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    help="Estimate what this many events per second need; repeatable.  [default: 1k, 10k, 100k]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 300),
    default=10.0,
    show_default=True,
    help="Approximate time to measure.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@config_option
def bench(
    file: BinaryIO,
    service: str | None,
    group: str | None,
    multiline: bool,
    rates: tuple[float, ...],
    seconds: float,
    as_json: bool,
    config: Path | None,
) -> ExitCode:
    """Measure what your own lines cost on this machine.

    FILE (or - for standard input) holds events as Filebeat sends them, one JSON object a
    line, or with --service plain log lines. No server is needed and nothing is sent.
    Exit codes: 0 measured, 1 there was nothing to measure, 3 config invalid.
    """
    from ptingest.server.assembly import read_profile
    from ptingest.server.event_loop.factory import loop_factory
    from ptingest.server.process.clock import SystemClock
    from ptingest.tools.bench.runner import Bench, plan

    if service is None and (group is not None or multiline):
        raise click.UsageError("--group and --multiline are for plain lines: add --service NAME.")
    settings = load_settings(config)
    profile = _require_yaml(read_profile(settings, os.environ))
    if service is not None:
        group = group or profile.group_of(service)
        _require_service(profile, service, group)
    workload = _workload(
        file, service, group or "", multiline=multiline, enough=int(seconds * EVENTS_A_SECOND)
    )
    with _progress() as step:
        measured = Bench(
            settings, profile, workload, clock=SystemClock(), seconds=seconds, on_step=step
        )
        report = measured.run(loop_factory())
    plans = [plan(report, rate) for rate in rates or RATES]
    if as_json:
        click.echo(json.dumps(_as_json(_name_of(file), workload, report, plans)))
    else:
        _show(_name_of(file), workload, report, plans)
    return ExitCode.DONE


def _require_yaml(profile: Profile) -> ProfileSettings:
    from ptingest.settings.profile import ProfileSettings

    if isinstance(profile, ProfileSettings):
        return profile
    raise click.UsageError(
        "bench measures a profile in YAML, stage by stage, and profile names a logstash.conf; "
        "send lines to a server with it instead (ptingest send) and look at ptingest top."
    )


def _require_service(profile: ProfileSettings, service: str, group: str) -> None:
    groups = {one.group: one for one in profile.groups}
    if group not in groups:
        known = ", ".join(groups)
        raise click.BadParameter(
            f"the profile has no group {group!r}, only {known}", param_hint="--group"
        )
    known_services = groups[group].known_services
    if known_services and service not in known_services:
        near = get_close_matches(service, known_services, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise click.BadParameter(
            f"group {group!r} of the profile has no service {service!r}, only "
            f"{', '.join(known_services)} (known_services){guess}",
            param_hint="--service",
        )


def _workload(
    file: BinaryIO, service: str | None, group: str, *, multiline: bool, enough: int
) -> Workload:
    from ptingest.cli.try_ import read_lines
    from ptingest.errors import BenchFailed
    from ptingest.pipeline.plain_lines import join_records
    from ptingest.tools.bench.workload import ENOUGH_EVENTS, FilebeatEvents, make_workload

    if file.isatty():
        click.echo("reading standard input; Ctrl-D ends it", err=True)
    records: Iterator[bytes] = read_lines(file)
    if multiline:
        records = join_records(records)
    wrap = bytes if service is None else FilebeatEvents(service=service, group=group).wrap
    workload = make_workload(records, wrap=wrap, enough_events=min(ENOUGH_EVENTS, enough))
    if workload is None:
        raise BenchFailed(why=f"{_name_of(file)} has no line with text: nothing to measure")
    return workload


def _name_of(file: BinaryIO) -> str:
    name = getattr(file, "name", "<stdin>")
    return "standard input" if name == "<stdin>" else str(name)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show a terminal what is being measured; say nothing elsewhere."""
    if not is_drawable(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading") as status:
        yield lambda what: status.update(f"measuring: {what}")


# --- JSON -------------------------------------------------------------------------------


def _as_json(
    name: str, workload: Workload, report: BenchReport, plans: list[Plan]
) -> dict[str, object]:
    outcomes = report.outcomes
    return {
        "file": name,
        "events": len(workload.own),
        "is_cut": workload.is_cut,
        "events_a_round": workload.events,
        "outcomes": {
            "indexed": outcomes.indexed,
            "unparsed": outcomes.unparsed,
            "dropped": dict(outcomes.dropped),
            "dead_letters": dict(outcomes.dead_letters),
        },
        "cpu_us_an_event": {
            "elasticsearch": _rounds(report.elasticsearch),
            "store": _rounds(report.store),
        },
        "stages_us": {stage: round(us, 3) for stage, us in report.stages.items()},
        "store_us": round(report.store_us, 3),
        "long_way": [
            {"reason": str(reason), "field": field or None, "events": count, "cure": CURES[reason]}
            for (reason, field), count in report.slow_path.items()
        ],
        "services": {
            service: {**cost._asdict(), "pipeline_us": round(cost.pipeline_us, 3)}
            for service, cost in report.services.items()
        },
        "bytes_an_event": {what: round(size, 1) for what, size in report.sizes._asdict().items()},
        "outstanding_events": report.outstanding_events,
        "rates": [
            {what: round(value, 4) for what, value in one._asdict().items()} for one in plans
        ],
    }


def _rounds(rounds: Rounds) -> dict[str, float]:
    figures = {name: round(value, 3) for name, value in rounds._asdict().items()}
    return {**figures, "events_a_second_a_core": round(1e6 / rounds.median)}


# --- text -------------------------------------------------------------------------------


def _show(name: str, workload: Workload, report: BenchReport, plans: list[Plan]) -> None:
    _show_events(name, workload, report)
    _show_cost(report)
    _show_stages(report)
    _show_services(report)
    _show_long_way(workload, report)
    _show_plans(report, plans)


def _say(text: str, *, indent: int = 2, first: str = "") -> None:
    """Write prose at the terminal's width."""
    for line in wrapped(text, first=first, indent=indent, width=width_of(sys.stdout)):
        click.echo(line)


def _show_events(name: str, workload: Workload, report: BenchReport) -> None:
    own, outcomes = len(workload.own), report.outcomes
    cut = "; the file is longer, only its beginning is measured" if workload.is_cut else ""
    _say(f"{name}: {own:,} events of {workload.event_bytes:,.0f} bytes{cut}")
    if workload.repeats > 1:
        _say(
            f"too few to measure: each was sent {workload.repeats:.0f} times, so values "
            "repeat more often than in real logs",
            first="  ",
        )
    parts = [f"{outcomes.indexed - outcomes.unparsed:,} parsed"]
    parts += [f"{outcomes.unparsed:,} unparsed"] if outcomes.unparsed else []
    parts += [f"{count:,} dropped ({why})" for why, count in outcomes.dropped.items()]
    parts += [f"{count:,} dead letters ({why})" for why, count in outcomes.dead_letters.items()]
    _say(", ".join(parts), first="  ")
    if outcomes.unparsed == outcomes.indexed:
        advice = copyable("`ptingest try` shows what becomes of one")
        click.secho(
            "  none of them fits a pattern, so all would be indexed with the failure tag: "
            f"{advice}",
            fg="yellow",
        )
    elif outcomes.unparsed or outcomes.dead_letters:
        click.echo(copyable("  `ptingest try` shows which, and why"))


def _show_cost(report: BenchReport) -> None:
    click.echo("\nCPU an event, in this process     median     best   spread   events/s a core")
    for where, rounds in (("Elasticsearch", report.elasticsearch), ("the store", report.store)):
        click.echo(
            f"  to {where:<26} {rounds.median:6.1f} us {rounds.best:6.1f} us "
            f"{rounds.spread_percent:5.0f} % {1e6 / rounds.median:17,.0f}"
        )
    _say(
        f"({report.elasticsearch.rounds} and {report.store.rounds} rounds; a large spread means "
        "that others used the machine)",
        first="  ",
    )


def _show_stages(report: BenchReport) -> None:
    total = sum(report.stages.values())
    longest = max(report.stages.values())
    mark = _mark()
    click.echo("\nwhere the time goes (Elasticsearch, best round)")
    for stage, us in report.stages.items():
        bar = mark * max(1 if us else 0, round(BAR * us / longest))
        click.echo(f"  {stage:<22} {us:6.2f} us {100 * us / total:5.1f} %  {bar}".rstrip())
    click.echo(
        f"  {'the store instead':<22} {report.store_us:6.2f} us"
        "          of bulk body, gzip and answer"
    )


def _mark() -> str:
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "█".encode(encoding)
    except UnicodeEncodeError:
        return "#"
    return "█"


def _show_services(report: BenchReport) -> None:
    click.echo("\nservice                 events   unparsed   pipeline alone")
    for service, cost in report.services.items():
        click.echo(
            f"  {service:<18} {cost.events:9,} {100 * cost.unparsed / cost.events:8.1f} % "
            f"{cost.pipeline_us:13.2f} us"
        )


def _show_long_way(workload: Workload, report: BenchReport) -> None:
    events, slow_path = len(workload.own), report.slow_path
    total = sum(slow_path.values())
    if not total:
        click.echo("\nall of them take the fast path through the pipeline")
        return
    click.echo()
    _say(
        f"{total:,} of {events:,} ({100 * total / events:.1f} %) take the slow path, at several "
        "times the cost:"
    )
    for (reason, field), count in sorted(slow_path.items(), key=lambda row: -row[1]):
        about = f" ({field})" if field else ""
        _say(f"{reason}{about}: {CURES[reason]}", first=f"  {count:9,}  ", indent=13)


def _show_plans(report: BenchReport, plans: list[Plan]) -> None:
    from ptingest.tools.bench.runner import BUSY_SHARE, SOCKETS_SHARE

    sizes = report.sizes
    click.echo()
    _say(
        f"bytes an event: {sizes.wire:,.0f} from the Beat, {sizes.document:,.0f} as a document, "
        f"{sizes.bulk:,.0f} in a gzipped bulk body, {sizes.stored:,.0f} in the store"
    )
    click.echo("\n  events/s  cores  workers  Mbit/s in     out  GB of documents a day   in memory")
    for one in plans:
        click.echo(
            f"{one.rate:10,.0f} {one.cores:6.2f} {one.workers:8} {one.received_megabits:10,.1f} "
            f"{one.sent_megabits:7,.1f} {one.documents_gigabytes_a_day:22,.1f} "
            f"{one.buffered_seconds:9,.1f} s"
        )
    _say(
        f"cores: Elasticsearch, {100 * SOCKETS_SHARE:.0f} % added for the two sockets, which are "
        f"not measured here; workers: none is busier than {100 * BUSY_SHARE:.0f} %",
        first="  ",
    )
    _say(
        f"in memory: how long the {report.outstanding_events:,} events that "
        "beats.limits.total_bytes has room for last while a sink takes nothing; then Beats wait",
        first="  ",
    )
    cores = len(os.sched_getaffinity(0))
    if any(one.workers > cores for one in plans):
        _say(
            f"this machine has {cores}: for more workers use more machines, behind "
            "Filebeat's `loadbalance: true`",
            first="  ",
        )
