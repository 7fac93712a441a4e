"""`ptingest dead-letters`: list, requeue and purge the events that no sink takes.

``list`` and ``show`` read the folder under ``data_dir`` themselves, so they work beside a running
server and without one; changes are made by the running server if there is one. Text from events
is shown escaped: it may hold anything.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.letter_choice import (
    check_reasons,
    choosing,
    chosen_by,
    json_option,
    why_none_fits,
)
from ptingest.cli.letter_order import NOTHING_FITS, exit_code, run_order, sentence
from ptingest.cli.options import (
    api_of,
    config_option,
    copyable,
    load_settings,
)
from ptingest.cli.terminal import show_error, width_of, wrapped
from ptingest.cli.visible import escaped, write_json_line
from ptingest.doctor.units import plural

if TYPE_CHECKING:
    from ptingest.model.letters import LetterFilter, Order


LISTED_MOST = 10_000


@click.group("dead-letters", epilog="Example: ptingest dead-letters list --config ptingest.yaml")
def dead_letters() -> None:
    """Look at events that no sink would take, and put them through again."""


@dead_letters.command("list", epilog="Example: ptingest dead-letters list --json | jq .reason")
@click.option(
    "--all", "with_done", is_flag=True, help="Also show letters that were requeued or purged."
)
@click.option("--reason", "reasons", multiple=True, metavar="R", help="Repeatable.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1, max=LISTED_MOST),
    default=5,
    show_default=True,
    help="The newest N of each group; --json always prints all.",
)
@json_option
@config_option
def list_(
    with_done: bool, reasons: tuple[str, ...], limit: int, as_json: bool, config: Path | None
) -> ExitCode:
    """List the waiting dead letters by reason and data stream, each with the service and the
    beginning of the message that were sent. With --json: whole records, oldest first."""
    from ptingest.cli.letter_list import grouped
    from ptingest.dead_letters.queue import read_letters

    directory = _directory(config)
    try:
        check_reasons(reasons, directory)
        letters = (
            stored
            for stored in read_letters(directory, with_done=with_done)
            if not reasons or stored.letter.reason in reasons
        )
        if as_json:
            for stored in letters:
                write_json_line(stored.as_json())
            return ExitCode.DONE
        count, lines = grouped(letters, limit=limit)
    except PermissionError as error:
        raise _unreadable(error) from error
    for line in lines:
        click.echo(line)
    click.echo(f"{plural(count, 'dead letter')} in {directory}", err=True)
    return ExitCode.DONE


@dead_letters.command(epilog="Example: ptingest dead-letters show 01JB2QXEZ3T8V5N7K4M9P6R1S0")
@click.argument("letter_id", metavar="ID")
@json_option
@config_option
def show(letter_id: str, as_json: bool, config: Path | None) -> ExitCode:
    """Show one dead letter whole: why it is here, and the event as the Beat sent it."""
    from ptingest.cli.letter_list import whole_letter
    from ptingest.dead_letters.queue import find_letter

    directory = _directory(config)
    try:
        stored = find_letter(directory, letter_id)
    except PermissionError as error:
        raise _unreadable(error) from error
    if stored is None:
        cure = copyable("`ptingest dead-letters list` shows their ids")
        raise click.ClickException(f"there is no dead letter {letter_id} in {directory}; {cure}")
    if as_json:
        write_json_line(stored.as_json())
    else:
        click.echo(whole_letter(stored))
    return ExitCode.DONE


@dead_letters.command(epilog="Example: ptingest dead-letters requeue --reason template_missing")
@choosing("letter")
def requeue(**asked: Any) -> ExitCode:
    """Put dead letters through the current pipeline again, each under its key.

    Repeating it stores nothing twice. What is refused again becomes a new dead letter. Exit
    codes: 0 all settled, 1 no letter matches, 4 the running server cannot be reached, 5 some
    are still dead letters.
    """
    return _carry_out("requeue", **asked)


@dead_letters.command(epilog="Example: ptingest dead-letters purge --older-than 7d --dry-run")
@choosing("letter")
@click.option("--yes", is_flag=True, help="On a terminal too: do not ask before.")
def purge(yes: bool, **asked: Any) -> ExitCode:
    """Delete dead letters for good; on a terminal it says how many, and asks.

    Exit codes: 0 deleted, 1 no letter fits, or the answer was no.
    """
    return _carry_out("purge", asks=not yes and sys.stdin.isatty(), **asked)


def _carry_out(
    what: Literal["requeue", "purge"],
    *,
    dry_run: bool,
    timeout: float,
    address: str | None,
    token_file: Path | None,
    as_json: bool,
    config: Path | None,
    asks: bool = False,
    **named: Any,
) -> ExitCode:
    import msgspec

    from ptingest.model.letters import Order

    choice = chosen_by(things="letters", command="dead-letters", **named)
    settings = load_settings(config)
    directory = Path(settings.data_dir) / "dead_letters"
    order = Order(what, choice, seconds=timeout)
    try:
        check_reasons(choice.reasons, directory)
        if dry_run:
            return _preview(config, order, as_json=as_json)
        if not directory.is_dir():
            _explain_nothing(choice, directory)
            return ExitCode.FAILED
        if asks:
            order = _confirmed(order, directory)
        progress = run_order(settings, order, api=api_of(settings, address, token_file))
    except PermissionError as error:
        raise _unreadable(error) from error
    if as_json:
        write_json_line(msgspec.json.encode({"what": what, **progress["tally"]}))
    else:
        click.echo(sentence(progress))
    if not progress["tally"]["chosen"] and not progress["failed"]:
        _explain_nothing(choice, directory)
        return exit_code(progress)
    return _missing(choice, progress, directory) or exit_code(progress)


def _confirmed(order: Order, directory: Path) -> Order:
    """Say how many letters the purge deletes and ask; the order for just these, or an error."""
    from msgspec.structs import replace

    from ptingest.model.rfc3339 import rfc3339
    from ptingest.server.requeue_sources import chosen_letters

    # Letters that are written from now on are not those that were counted.
    before = order.choice.before or rfc3339(datetime.now(UTC))
    choice = replace(order.choice, before=before)
    count = sum(1 for _ in chosen_letters(directory, choice))
    click.echo(f"{count} dead letters would be deleted for ever from {directory}.", err=True)
    if count and not click.confirm("Delete them?", err=True):
        raise click.ClickException("nothing was deleted")
    return replace(order, choice=choice)


def _explain_nothing(choice: LetterFilter, directory: Path) -> None:
    """Say on standard error what there is, and which option excludes it."""
    for line in why_none_fits(choice, directory):
        show_error(line)


def _missing(choice: LetterFilter, progress: dict[str, Any], directory: Path) -> ExitCode | None:
    """Say how many of the given ids are not waiting, if any."""
    missing = len(set(choice.ids)) - progress["tally"]["chosen"]
    if missing <= 0:
        return None
    click.echo(
        f"{missing} of the ids are not waiting in {directory}, or another option excludes them",
        err=True,
    )
    return ExitCode.FAILED


def _preview(config: Path | None, order: Order, *, as_json: bool) -> ExitCode:

    import msgspec

    from ptingest.pipeline.compile import compile_profile
    from ptingest.server.assembly import read_profile
    from ptingest.server.offline_requeue import preview

    settings = load_settings(config)
    pipeline = None
    if order.what == "requeue":
        pipeline = compile_profile(read_profile(settings, os.environ))
    directory = Path(settings.data_dir) / "dead_letters"
    prospects = preview(directory, order.choice, pipeline, now_ns=time.time_ns())
    for prospect, count in prospects.most_common():
        if as_json:
            write_json_line(msgspec.json.encode({"letters": count, **prospect._asdict()}))
        else:
            was = f"{prospect.reason}  {escaped(prospect.data_stream or '-')}"
            text = f"{was}  would be {escaped(prospect.becomes)}"
            width = width_of(sys.stdout)
            for line in wrapped(text, first=f"{count:>8}  ", indent=10, width=width):
                click.echo(line)
    if not prospects:
        click.echo(NOTHING_FITS, err=True)
        _explain_nothing(order.choice, directory)
    elif not as_json:
        click.echo(f"{plural(prospects.total(), 'letter')}; nothing was changed", err=True)
    return ExitCode.DONE if prospects else ExitCode.FAILED


def _directory(config: Path | None) -> Path:
    return Path(load_settings(config).data_dir) / "dead_letters"


def _unreadable(error: PermissionError) -> click.ClickException:
    return click.ClickException(
        f"{error.filename}: {error.strerror}; run this as the user the server runs as"
    )
