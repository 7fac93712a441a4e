"""`ptingest plan`: what Elasticsearch would do with these events, before any is sent."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ptingest.cli.doctor import better_login, cluster_of
from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, load_settings
from ptingest.cli.terminal import show_finding
from ptingest.cli.visible import visible, write_json_line
from ptingest.doctor.units import plural, size
from ptingest.model.finding import Finding

if TYPE_CHECKING:
    from ptingest.model.document import Document
    from ptingest.pipeline.pipeline import Pipeline
    from ptingest.settings.sinks import ClusterSettings
    from ptingest.tools.plan.planner import Judged, Planner, StreamPlan

NAMES_SHOWN = 8
"""New fields that are named; JSON has them all."""
NEAR = 0.8
"""Part of the limit of fields from which on it is a warning."""
ASSUMED = (
    "this login may not read mappings: types as the stream has them, options as setup's template "
    "has them"
)
MORE_RIGHTS = "--user elastic, or view_index_metadata on the streams for this login"


@dataclass(slots=True)
class Counts:
    """What became of the events before Elasticsearch comes into it."""

    events: int = 0
    dropped: int = 0
    dead_letters: int = 0


@click.command(epilog="Example: ptingest plan events.ndjson --config ptingest.yaml --rate 200")
@click.argument("events", metavar="EVENTS", type=click.File("rb"))
@click.option("--elasticsearch", metavar="URL", help="Instead of sinks.elasticsearch.hosts.")
@click.option(
    "--user",
    metavar="NAME",
    help="User who may read mappings, which the writer may not; password: ELASTIC_PASSWORD.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=100.0,
    show_default=True,
    help="Events a second, all streams together, for what they cost a day.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object for each refused event and stream."
)
@config_option
def plan(
    events: BinaryIO,
    elasticsearch: str | None,
    user: str | None,
    rate: float,
    as_json: bool,
    config: Path | None,
) -> ExitCode:
    """Say what Elasticsearch would do with events; nothing is sent to a stream.

    EVENTS (or - for standard input) holds events as Filebeat sends them, one JSON object a line.
    Of each data stream it says which of them would be refused and why, which fields would be new,
    how near the limit of fields is, and what the events cost a day.

    Exit codes: 0 every event would be taken, 1 there was no event, or some may be refused, 3
    config invalid, 4 Elasticsearch is not reachable or refuses the login, 5 some would be
    refused.
    """
    import asyncio

    from ptingest.pipeline.compile import compile_profile
    from ptingest.server.assembly import read_profile

    settings = load_settings(config)
    sink = cluster_of(settings, "elasticsearch", elasticsearch)
    if sink is None:
        raise click.UsageError("no sinks.elasticsearch in the config; name one: --elasticsearch")
    login = better_login(sink, user)
    pipeline = compile_profile(read_profile(settings, os.environ))
    return asyncio.run(_plan(events, pipeline, login or sink, rate, as_json=as_json))


async def _plan(
    events: BinaryIO,
    pipeline: Pipeline,
    sink: ClusterSettings,
    rate: float,
    *,
    as_json: bool,
) -> ExitCode:
    from ptingest.sinks.elasticsearch.client import ElasticsearchClient
    from ptingest.tools.plan.cluster import ask_version
    from ptingest.tools.plan.planner import Planner

    client = ElasticsearchClient(sink)
    try:
        version = await ask_version(client)
        planner = Planner(client, version)
        counts = Counts()
        async for judged in _judged(events, pipeline, planner, counts):
            if as_json:
                _write_judged(judged)
    finally:
        await client.close()
    if as_json:
        for one in planner.streams.values():
            _write_stream(one, counts, rate)
    else:
        click.echo(f"Elasticsearch {version} at {', '.join(sink.hosts)}\n")
        for finding in findings_of(planner, counts, rate):
            show_finding(finding)
    return _exit_code(planner, counts)


async def _judged(
    events: BinaryIO, pipeline: Pipeline, planner: Planner, counts: Counts
) -> AsyncIterator[Judged]:
    """Yield what is refused, and count all events."""
    for line, documents, dead_letters in _documents(events, pipeline):
        counts.events += 1
        counts.dropped += not documents and not dead_letters
        counts.dead_letters += bool(dead_letters)
        for document in documents:
            is_stream = document.target.kind == "data stream"
            async for judged in planner.check(
                line, document.target.name, document.body, is_stream=is_stream
            ):
                yield judged
    async for judged in planner.finish():
        yield judged


def _documents(events: BinaryIO, pipeline: Pipeline) -> Iterator[tuple[int, list[Document], int]]:
    """Yield each event's line, its documents for Elasticsearch and its dead letters."""
    from ptingest.model.receipt import Receipt

    receipt = Receipt(lambda _: None)
    for line, text in enumerate(events, 1):
        if text.strip():
            made = pipeline.process(
                [text.removesuffix(b"\n")], receipt=receipt, peer="", now_ns=time.time_ns()
            )
            ours = [one for one in made.documents if one.target.output in ("", "elasticsearch")]
            yield line, ours, len(made.dead_letters)


def _exit_code(planner: Planner, counts: Counts) -> ExitCode:
    streams = planner.streams.values()
    if counts.dead_letters or any(one.refused or not one.facts.has_template for one in streams):
        return ExitCode.NOT_ALL_DELIVERED
    if not counts.events or planner.not_asked or any(one.uncertain for one in streams):
        return ExitCode.FAILED
    return ExitCode.DONE


# --- for people -------------------------------------------------------------------------


def findings_of(planner: Planner, counts: Counts, rate: float) -> Iterator[Finding]:
    """Yield everything that was found, stream by stream."""
    if not counts.events:
        yield Finding("note", "events", "none in the input, so nothing was looked at")
    for name, plan in planner.streams.items():
        yield from _of_refusals(name, plan)
        yield from _of_fields(name, plan)
        yield from _of_cost(name, plan, rate * plan.events / counts.events)
    if planner.not_asked:
        seen = f"{plural(planner.not_asked, 'event')} of more than {len(planner.streams)} streams"
        yield Finding("warning", "streams", f"{seen} not looked at", "plan fewer services at once")
    if counts.dropped:
        yield Finding("note", "events", f"{counts.dropped:,} dropped by a rule")
    if counts.dead_letters:
        seen = f"{plural(counts.dead_letters, 'dead letter')} before Elasticsearch is asked"
        yield Finding("problem", "events", seen, "`ptingest try` says why")


def _of_refusals(name: str, plan: StreamPlan) -> Iterator[Finding]:
    facts = plan.facts
    if not facts.has_template:
        seen = "no index template matches it: documents would wait until one does"
        yield Finding("problem", name, seen, "`ptingest setup` makes one")
        return
    if facts.known == "assumed":
        yield Finding("note", name, ASSUMED, MORE_RIGHTS)
    taken = plan.events - plan.refused - plan.uncertain
    yield Finding("ok", name, f"{taken:,} of {plural(plan.events, 'event')} would be taken")
    for (is_certain, field), cause in plan.causes.items():
        verb = "would" if is_certain else "may"
        what = f"{field} {cause.reason}" if field else cause.reason
        seen = f"{plural(cause.events, 'event')} {verb} be refused, line {cause.line}: {what}"
        yield Finding("problem" if is_certain else "warning", name, visible(seen))


def _of_fields(name: str, plan: StreamPlan) -> Iterator[Finding]:
    new, limit = plan.check.new, plan.check.rules.limit
    if new:
        shown = ", ".join(f"{field} ({one.type})" for field, one in [*new.items()][:NAMES_SHOWN])
        more = f" and {len(new) - NAMES_SHOWN:,} more" if len(new) > NAMES_SHOWN else ""
        seen = f"{plural(len(new), 'new field')}: {shown}{more}"
        yield Finding("note", name, visible(seen))
    assumed = "" if plan.facts.known != "assumed" else ", if that is the limit"
    seen = f"{plan.fields_then:,} of {limit:,} fields{assumed}, {plan.fields_now:,} before"
    if plan.check.beyond:
        seen += f"; {len(plan.check.beyond):,} kept in documents and not mapped, so not found"
    is_near = plan.fields_then >= NEAR * limit or bool(plan.check.beyond)
    cure = "send fewer names, or raise index.mapping.total_fields.limit in pt@custom"
    yield Finding("warning" if is_near else "ok", name, seen, cure if is_near else "")


def _of_cost(name: str, plan: StreamPlan, rate: float) -> Iterator[Finding]:
    from ptingest.tools.plan.cost import savings

    if not plan.events:
        return
    cost = plan.cost
    source = "by what it holds" if cost.is_measured else "estimated by the benchmark's documents"
    seen = (
        f"{rate:,.3g} events/s: {size(cost.bytes_a_day(rate))} a day on disk for each copy "
        f"({cost.bytes_a_document:,.0f} bytes a document, {source}), "
        f"{100 * cost.cores(rate):.2g} % of a core of Elasticsearch"
    )
    yield Finding("note", name, seen)
    for option, how, share in savings(plan.facts.settings, has_original=plan.has_original):
        saved = size(cost.bytes_a_day(rate) * share)
        seen = f"{option} would save about {saved} of it a day ({100 * share:.0f} %)"
        yield Finding("note", name, seen, how)


# --- for programs -----------------------------------------------------------------------


def _write_judged(judged: Judged) -> None:
    _write(
        {
            "kind": "event",
            "line": judged.line,
            "data_stream": judged.stream,
            "verdict": "refused" if judged.is_certain else "may be refused",
            "field": judged.field,
            "reason": judged.reason,
        }
    )


def _write_stream(plan: StreamPlan, counts: Counts, rate: float) -> None:
    from ptingest.tools.plan.cost import savings

    facts, check, cost = plan.facts, plan.check, plan.cost
    own = rate * plan.events / counts.events
    saved = savings(facts.settings, has_original=plan.has_original)
    _write(
        {
            "kind": "data_stream",
            "data_stream": facts.name,
            "known_by": facts.known,
            "is_there": facts.is_there,
            "has_template": facts.has_template,
            "events": plan.events,
            "refused": plan.refused,
            "may_be_refused": plan.uncertain,
            "new_fields": {name: one.type for name, one in check.new.items()},
            "not_mapped": sorted(check.beyond),
            "fields": {
                "before": plan.fields_now, "after": plan.fields_then, "limit": check.rules.limit
            },
            "events_per_second": own,
            "bytes_a_document": cost.bytes_a_document,
            "is_measured": cost.is_measured,
            "bytes_a_day": cost.bytes_a_day(own),
            "cores": cost.cores(own),
            "saves": {name: share for name, _, share in saved},
        }
    )  # fmt: skip


def _write(row: dict[str, Any]) -> None:
    import json

    # Names from events may hold half a surrogate pair, which orjson refuses.
    write_json_line(json.dumps(row).encode())
