"""`ptingest search`: search stored documents in Kibana's query language."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, load_settings
from ptingest.cli.visible import document_text, one_line, visible
from ptingest.errors import SinkUnavailable

if TYPE_CHECKING:
    from ptingest.model.explore import DocumentReader, Hit, View

TERMINAL_LINES = 500
"""Documents that are printed on a terminal where no option says how many."""


@click.command(short_help="Search stored documents.")
@click.argument("query")
@click.option(
    "--since",
    metavar="TIME",
    help="Only documents since 15m, 1h or 7d ago, or since an ISO time (UTC).",
)
@click.option("--until", metavar="TIME", help="Only documents until then; as --since.")
@click.option("--stream", metavar="NAME", help="Only this data stream, such as logs-django-pt.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print whole documents, one per line, with their _id."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Only the newest N; default: {TERMINAL_LINES} on a terminal, else all.",
)
@click.option("--all", "prints_all", is_flag=True, help="Print all of them, on a terminal too.")
@click.option("--count-by", metavar="FIELD", help="Count documents for each value of a field.")
@config_option
def search(
    query: str,
    since: str | None,
    until: str | None,
    stream: str | None,
    as_json: bool,
    limit: int | None,
    prints_all: bool,
    count_by: str | None,
    config: Path | None,
) -> ExitCode:
    """Search stored documents in Kibana's query language, oldest first.

    \b
    ptingest search '*'
    ptingest search 'group:pt AND service:django AND log_level:ERROR' --since 1h
    ptingest search 'logger_name:apps.* and not message:"health check"' --json
    ptingest search '*' --count-by log_level

    Reads the embedded store, or Elasticsearch where the config has no store. Values match
    exactly, words of the message in any case; a value without a field searches the message;
    * matches any text.
    """
    from ptingest.model.explore import View

    if count_by is not None and (limit is not None or prints_all):
        raise click.UsageError("--count-by counts all matches; it excludes --limit and --all")
    if limit is not None and prints_all:
        raise click.UsageError("--all prints all matches; it excludes --limit")
    now = datetime.now(UTC)
    view = View(
        query, _time(since, "--since", now), _time(until, "--until", now, is_end=True), stream
    )
    if limit is None and not prints_all and not as_json and sys.stdout.isatty():
        limit = TERMINAL_LINES
    asyncio.run(_search(_reader(config), view, limit, count_by=count_by, as_json=as_json))
    return ExitCode.DONE


def _reader(config: Path | None) -> DocumentReader:
    from ptingest.cli.reading import reader_of

    reader = reader_of(load_settings(config))
    if reader is None:
        raise SinkUnavailable(
            sink="search",
            cause=f"{config or 'the config'} has neither sinks.store nor sinks.elasticsearch, so "
            "there is nothing to search; add `store: {}` under sinks:",
        )
    return reader


def _time(text: str | None, option: str, now: datetime, *, is_end: bool = False) -> str | None:
    from ptingest.kql.times import moment

    if text is None:
        return None
    found = moment(text, now, is_end=is_end)
    if found is None:
        raise click.BadParameter(
            f"{text!r} is not a time; write an age such as 15m, 1h or 7d, or an ISO time such as "
            "2025-01-02 or 2025-01-02T03:04:05Z",
            param_hint=option,
        )
    return found


async def _search(
    reader: DocumentReader, view: View, limit: int | None, *, count_by: str | None, as_json: bool
) -> None:
    try:
        if count_by is not None:
            _print_counts(await reader.count_by(view, count_by), as_json=as_json)
        elif as_json:
            await _print_bodies(reader, view, limit)
        else:
            await _print_lines(reader, view, limit)
    finally:
        await reader.close()


async def _print_bodies(reader: DocumentReader, view: View, limit: int | None) -> None:
    from ptingest.sinks.read.lines import json_line

    # Bytes, so that the output does not depend on a locale.
    out = sys.stdout.buffer
    async for hits in reader.search(view, limit=limit):
        for hit in hits:
            out.write(one_line(json_line(hit)))
    out.flush()


def _print_counts(counts: list[tuple[str | None, int]], *, as_json: bool) -> None:
    import orjson

    width = max((len(str(count)) for _, count in counts), default=0)
    for value, count in counts:
        if as_json:
            click.echo(orjson.dumps({"value": value, "documents": count}))
        else:
            click.echo(f"{count:>{width}}  {'(none)' if value is None else visible(value)}")


async def _print_lines(reader: DocumentReader, view: View, limit: int | None) -> None:
    shown = 0
    async for hits in reader.search(view, limit=limit):
        for hit in hits:
            click.echo(_line(hit))
            shown += 1
    noun = "document" if shown == 1 else "documents"
    more = ""
    if limit is not None and shown == limit:
        found = await reader.count(view)
        if found > shown:
            more = f", the newest of {found}; --all prints all, --limit N the newest N"
    click.echo(f"{shown} {noun}{more}", err=True)
    if not shown:
        await _say_unknown_fields(reader, view)


async def _say_unknown_fields(reader: DocumentReader, view: View) -> None:
    from ptingest.sinks.read.unknown_fields import named_fields, unknown_fields

    named = named_fields(view)
    for field in unknown_fields(named, await reader.fields()) if named else ():
        click.echo(
            f"no such field: as far as {reader.title} knows, no document has {visible(field)}",
            err=True,
        )


def _line(hit: Hit) -> str:
    import orjson

    return document_text(orjson.loads(hit.body), hit.data_stream)
