"""`ptingest search`: search the embedded store in Kibana's query language."""

from __future__ import annotations

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
    from collections.abc import Iterable

    from ptingest.sinks.store.read.search import SearchHit, StoreReader
    from ptingest.sinks.store.read.snapshot import StoreQuery


@click.command(short_help="Search the embedded store.")
@click.argument("query")
@click.option(
    "--since",
    metavar="TIME",
    help="Only documents since 15m, 1h or 7d ago, or since an ISO time (UTC).",
)
@click.option("--until", metavar="TIME", help="Only documents until then; as --since.")
@click.option("--stream", metavar="NAME", help="Only this data stream, such as logs-django-pt.")
@click.option("--json", "as_json", is_flag=True, help="Print whole documents, one per line.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N; default: all."
)
@click.option("--count-by", metavar="FIELD", help="Count documents for each value of a field.")
@config_option
def search(
    query: str,
    since: str | None,
    until: str | None,
    stream: str | None,
    as_json: bool,
    limit: int | None,
    count_by: str | None,
    config: Path | None,
) -> ExitCode:
    """Search the embedded store in Kibana's query language, oldest first.

    \b
    ptingest search '*'
    ptingest search 'group:pt AND service:django AND log_level:ERROR' --since 1h
    ptingest search 'logger_name:apps.* and not message:"health check"' --json
    ptingest search '*' --count-by log_level

    Values match exactly, words of the message in any case; a value without a field searches
    the message; * matches any text.
    """
    from ptingest.sinks.store.read.search import StoreReader
    from ptingest.sinks.store.read.snapshot import StoreQuery

    if count_by is not None and limit is not None:
        raise click.UsageError("--count-by counts all matches; it excludes --limit")
    path = _store_path(config)
    now = datetime.now(UTC)
    question = StoreQuery(
        query, _time(since, "--since", now), _time(until, "--until", now, is_end=True), stream
    )
    with StoreReader(path, now=now) as reader:
        if count_by is not None:
            _print_counts(reader.count_by(question, count_by), as_json=as_json)
        elif as_json:
            _print_bodies(reader.search(question, limit=limit))
        else:
            _print_lines(reader, question, limit)
    return ExitCode.DONE


def _store_path(config: Path | None) -> Path:
    settings = load_settings(config)
    if settings.sinks.store is None:
        raise SinkUnavailable(
            sink="store",
            cause=f"{config or 'the config'} has no sinks.store, so there is nothing to "
            "search; add `store: {}` under sinks:, or search in Kibana",
        )
    return Path(settings.data_dir) / settings.sinks.store.path


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


def _print_bodies(hits: Iterable[SearchHit]) -> None:
    # Bytes, so that the output does not depend on a locale.
    out = sys.stdout.buffer
    for hit in hits:
        out.write(one_line(hit.body.encode()))
    out.flush()


def _print_counts(counts: list[tuple[str | None, int]], *, as_json: bool) -> None:
    import orjson

    width = max((len(str(count)) for _, count in counts), default=0)
    for value, count in counts:
        if as_json:
            click.echo(orjson.dumps({"value": value, "documents": count}))
        else:
            click.echo(f"{count:>{width}}  {'(none)' if value is None else visible(value)}")


def _print_lines(reader: StoreReader, question: StoreQuery, limit: int | None) -> None:
    shown = 0
    for hit in reader.search(question, limit=limit):
        click.echo(_line(hit))
        shown += 1
    noun = "document" if shown == 1 else "documents"
    more = ""
    if limit is not None and shown == limit:
        found = reader.count(question)
        more = f", the newest of {found}" if found > shown else ""
    click.echo(f"{shown} {noun}{more}", err=True)


def _line(hit: SearchHit) -> str:
    import orjson

    return document_text(orjson.loads(hit.body), hit.data_stream)
