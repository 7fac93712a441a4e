"""`ptingest failures`: list and requeue what Elasticsearch put into failure stores.

``list`` and ``show`` ask Elasticsearch themselves, as the config's user or as another one; a
requeue is done by the running server if there is one, else here. Text from events is shown
escaped: it may hold anything.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.letter_choice import choosing, chosen_by, json_option
from ptingest.cli.letter_list import cut, readable
from ptingest.cli.letter_order import NO_FAILURE_FITS, exit_code, run_order, sentence
from ptingest.cli.options import api_of, config_option, copyable, load_settings
from ptingest.cli.terminal import width_of, wrapped
from ptingest.cli.visible import escaped, write_json_line
from ptingest.doctor.units import plural
from ptingest.errors import SinkUnavailable

if TYPE_CHECKING:
    from ptingest.model.failures import FailureDocument, FailureGroup, FailurePage
    from ptingest.model.letters import LetterFilter
    from ptingest.pipeline.pipeline import Pipeline
    from ptingest.settings.server import ServerSettings
    from ptingest.sinks.elasticsearch.read.failures import FailureReader

MESSAGE_CHARACTERS = 80

user_option = click.option(
    "--user",
    metavar="NAME",
    help="Read as this user instead of the config's; password: ELASTIC_PASSWORD.",
)


@click.group(epilog="Example: ptingest failures list --config ptingest.yaml")
def failures() -> None:
    """Look at documents that Elasticsearch put into failure stores, and requeue them."""


@failures.command("list", epilog="Example: ptingest failures list --stream logs-nginx-pt")
@click.option("--all", "with_requeued", is_flag=True, help="Also those that were requeued.")
@click.option("--reason", "reasons", multiple=True, metavar="R", help="Repeatable.")
@click.option("--stream", "streams", multiple=True, metavar="S", help="Repeatable.")
@json_option
@user_option
@config_option
def list_(
    with_requeued: bool,
    reasons: tuple[str, ...],
    streams: tuple[str, ...],
    as_json: bool,
    user: str | None,
    config: Path | None,
) -> ExitCode:
    """List failure documents by data stream and reason, each group with its newest document.

    A document that failed more than once is counted once. Those that their data stream has by now
    are left out. A reason is what this list shows, or a type of errors such as
    document_parsing_exception. Needs read_failure_store and read on the data streams. Exit codes:
    0 listed, 4 Elasticsearch does not answer, or the user may not read.
    """
    from ptingest.model.letters import LetterFilter

    choice = LetterFilter(not (reasons or streams), reasons, streams)
    page = asyncio.run(_look(load_settings(config), choice, user, with_requeued=with_requeued))
    for group in page.groups:
        if as_json:
            write_json_line(_group_json(group))
        else:
            for line in _group_lines(group, width=width_of(sys.stdout)):
                click.echo(line)
    click.echo(_footer(page), err=True)
    return ExitCode.DONE


@failures.command(epilog="Example: ptingest failures show PMAOKaIBhPAaI2wn0jZX")
@click.argument("failure_id", metavar="ID")
@json_option
@user_option
@config_option
def show(failure_id: str, as_json: bool, user: str | None, config: Path | None) -> ExitCode:
    """Show one failure document whole: what Elasticsearch said, and the document."""
    found = asyncio.run(_find(load_settings(config), failure_id, user))
    if found is None:
        cure = copyable("`ptingest failures list` shows ids")
        raise click.ClickException(f"no failure store has a document {escaped(failure_id)}; {cure}")
    if as_json:
        write_json_line(_whole_json(found))
    else:
        click.echo(_whole_text(found))
    return ExitCode.DONE


@failures.command(epilog="Example: ptingest failures requeue --stream logs-nginx-pt --dry-run")
@choosing("failure document")
@click.option(
    "--purge",
    is_flag=True,
    help="Delete the failure documents that are safe elsewhere then. [default: they stay]",
)
def requeue(
    dry_run: bool,
    purge: bool,
    timeout: float,
    address: str | None,
    token_file: Path | None,
    as_json: bool,
    config: Path | None,
    **named: Any,
) -> ExitCode:
    """Put failure documents through the current rules again, each under its key.

    Repeating it stores nothing twice. The fields that patterns of a profile added are taken away
    before; under a logstash.conf whose filters cannot be undone a document is written as it is.
    What fails again is in the failure store again. Needs read_failure_store and read for the
    config's user. Exit codes: 0 all settled, 1 no document matches, 4 the running server or
    Elasticsearch cannot be reached, 5 some failed again, or were not deleted.
    """
    import msgspec

    from ptingest.model.letters import Order

    choice = chosen_by(things="failure documents", command="failures", **named)
    settings = load_settings(config)
    if dry_run:
        return _preview(settings, choice, as_json=as_json)
    _sink_of(settings)
    order = Order("requeue", choice, seconds=timeout, of="failures", deletes=purge)
    progress = run_order(settings, order, api=api_of(settings, address, token_file))
    if as_json:
        write_json_line(msgspec.json.encode({"what": "requeue", **progress["tally"]}))
    else:
        click.echo(sentence(progress))
    return exit_code(progress)


# --- reading --------------------------------------------------------------------------------


def _sink_of(settings: ServerSettings) -> Any:
    sink = settings.sinks.elasticsearch
    if sink is None:
        raise SinkUnavailable(
            sink="failures",
            cause="the config has no sinks.elasticsearch, so there is no failure store; "
            "`ptingest dead-letters list` shows what other sinks refuse",
        )
    return sink


@asynccontextmanager
async def _reading(settings: ServerSettings, user: str | None) -> AsyncIterator[FailureReader]:
    from ptingest.cli.doctor import better_login
    from ptingest.pipeline.route import stream_names
    from ptingest.server.assembly import read_profile
    from ptingest.sinks.elasticsearch.read.failures import FailureReader

    sink = _sink_of(settings)
    names = stream_names(read_profile(settings, os.environ))
    reader = FailureReader(better_login(sink, user) or sink, streams=lambda: names)
    try:
        yield reader
    finally:
        await reader.close()


async def _look(
    settings: ServerSettings, choice: LetterFilter, user: str | None, *, with_requeued: bool
) -> FailurePage:
    async with _reading(settings, user) as reader:
        return await reader.look(choice, with_requeued=with_requeued)


async def _find(
    settings: ServerSettings, failure_id: str, user: str | None
) -> FailureDocument | None:
    async with _reading(settings, user) as reader:
        return await reader.find(failure_id)


def _preview(settings: ServerSettings, choice: LetterFilter, *, as_json: bool) -> ExitCode:
    import msgspec

    found = asyncio.run(_becoming(settings, choice))
    for (reason, stream, becomes), count in found.most_common():
        if as_json:
            row = {"documents": count, "reason": reason, "data_stream": stream, "becomes": becomes}
            write_json_line(msgspec.json.encode(row))
        else:
            text = f"{escaped(reason)}  {escaped(stream)}  would be {escaped(becomes)}"
            width = width_of(sys.stdout)
            for line in wrapped(text, first=f"{count:>8}  ", indent=10, width=width):
                click.echo(line)
    if not found:
        click.echo(NO_FAILURE_FITS, err=True)
        return ExitCode.FAILED
    click.echo(f"{plural(found.total(), 'failure document')}; nothing was changed", err=True)
    return ExitCode.DONE


async def _becoming(
    settings: ServerSettings, choice: LetterFilter
) -> Counter[tuple[str, str, str]]:
    """Count what the chosen documents would become: whether they would be refused again is not
    known before Elasticsearch is asked."""
    from ptingest.pipeline.compile import compile_profile
    from ptingest.server.assembly import read_profile

    pipeline = compile_profile(read_profile(settings, os.environ))
    found: Counter[tuple[str, str, str]] = Counter()
    async with _reading(settings, None) as reader:
        await reader.refuse_without_rights()
        async for page in reader.chosen(choice):
            there = await reader.stored([one.own_key for one in page])
            for one in page:
                is_there = one.own_key in there
                becomes = "already stored" if is_there else _becomes(pipeline, one)
                found[one.reason, one.data_stream, becomes] += 1
    return found


def _becomes(pipeline: Pipeline, failure: FailureDocument) -> str:
    from ptingest.server.offline_requeue import becomes

    event = pipeline.event_of(failure.source)
    if event is None:
        return f"written to {failure.data_stream} as it is"
    return becomes(pipeline, event, time.time_ns())


# --- for people and programs ----------------------------------------------------------------


def _group_lines(group: FailureGroup, *, width: int | None) -> Iterator[str]:
    from ptingest.dead_letters.event_preview import event_preview

    example = group.example
    preview = event_preview(example.source)
    is_one = group.documents == 1
    times = group.newest if is_one else f"{group.oldest} to {group.newest}"
    yield f"{escaped(group.data_stream)}  {plural(group.documents, 'document')}, {times}"
    yield from wrapped(escaped(group.reason), first="  said: ", indent=8, width=width)
    said = cut(preview.message, MESSAGE_CHARACTERS)
    text = f"{escaped(preview.service or '-')}  {said}"
    yield from wrapped(text, first=f"  {escaped(example.id)}  ", indent=4, width=width)


def _footer(page: FailurePage) -> str:
    said = f"{plural(page.seen, 'failure document')} of {plural(len(page.groups), 'kind')}"
    if page.requeued:
        said += f"; {page.requeued} more are in their data streams by now (--all shows them)"
    if page.left_out:
        said += f"; {page.left_out} older ones were not read: --stream shows fewer streams"
    return said


def _group_json(group: FailureGroup) -> bytes:
    import msgspec

    row = {
        "data_stream": group.data_stream,
        "reason": group.reason,
        "documents": group.documents,
        "oldest": group.oldest,
        "newest": group.newest,
        "example": {
            "id": group.example.id,
            "key": group.example.key,
            "message": group.example.message,
            "document": msgspec.Raw(group.example.source or b"null"),
        },
    }
    return msgspec.json.encode(row)


def _whole_json(failure: FailureDocument) -> bytes:
    import msgspec

    row = {"_index": failure.store_index, "_id": failure.id, "_source": msgspec.Raw(failure.whole)}
    return msgspec.json.encode(row)


def _whole_text(failure: FailureDocument) -> str:
    fields = [
        ("id", failure.id),
        ("time", failure.time),
        ("data stream", failure.data_stream),
        ("key", failure.key or "-"),
        ("reason", failure.kind),
        ("said", failure.message),
    ]
    lines = [f"{name:12}{escaped(value)}" for name, value in fields]
    return "\n".join([*lines, "", readable(failure.source)])
