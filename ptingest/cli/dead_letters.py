"""`ptingest dead-letters`: list, requeue and purge the events that no sink takes.

``list`` and ``show`` read the folder under ``data_dir`` themselves, so they work beside a running
server and without one; changes are made by the running server if there is one. Text from events
is shown escaped: it may hold anything.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ptingest.api.client import ServerClient, error_in
from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.letter_choice import check_reasons, why_none_fits
from ptingest.cli.options import (
    address_option,
    api_of,
    config_option,
    copyable,
    load_settings,
    token_option,
)
from ptingest.cli.terminal import show_error, width_of, wrapped
from ptingest.cli.visible import escaped, write_json_line
from ptingest.doctor.units import plural
from ptingest.errors import DataDirLocked, JobRefused, PtingestError, ServerUnreachable

if TYPE_CHECKING:
    from ptingest.model.letters import LetterFilter, Order
    from ptingest.settings.api import ApiSettings
    from ptingest.settings.server import ServerSettings


FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 1.0
ANSWER_SECONDS = 15.0

Progress = dict[str, Any]


def run_order(settings: ServerSettings, order: Order, *, api: ApiSettings) -> Progress:
    """Carry an order out, here or in the running server at ``api``; return its progress at the
    end.

    Raises:
        PtingestError: it could not begin, or its end was not seen; the text says which.
    """
    from ptingest.server.process.lock import OWNER_ALONE, DataDirLock

    os.umask(OWNER_ALONE)  # as the server's, in whose folder this writes
    data_dir = Path(settings.data_dir)
    if not (data_dir / "lock").exists():
        refuse_stranger(data_dir / "dead_letters", me=os.geteuid())
    lock = DataDirLock(data_dir)
    try:
        lock.acquire()
    except DataDirLocked:
        return _through_server(settings, order, api)
    try:
        refuse_stranger(data_dir / "dead_letters", me=os.geteuid())
        return _here(settings, order)
    finally:
        lock.release()


def refuse_stranger(directory: Path, *, me: int) -> None:
    """Files of another user in there would stop the server that owns the folder."""
    owner = directory.stat().st_uid
    if owner != me:
        raise click.ClickException(
            f"{directory} belongs to user id {owner}, this is {me}; "
            "run this as the user the server runs as, or while the server runs"
        )


def _here(settings: ServerSettings, order: Order) -> Progress:
    from ptingest.server.assembly import read_profile
    from ptingest.server.offline_requeue import carry_out
    from ptingest.server.process.clock import SystemClock

    profile = read_profile(settings, os.environ)
    try:
        return asyncio.run(carry_out(settings, profile, order, clock=SystemClock()))
    except BaseExceptionGroup as group:
        ours, others = group.split(PtingestError)
        if others is not None or ours is None:
            raise
        raise ours.exceptions[0] from None


# --- through the running server -----------------------------------------------------------


def _through_server(settings: ServerSettings, order: Order, api: ApiSettings) -> Progress:
    import msgspec

    client = ServerClient(api, seconds=ANSWER_SECONDS)
    asked = msgspec.to_builtins(order)
    asked.pop("what")
    asked["pid"] = _pid_of_server(Path(settings.data_dir))
    begun = _request(client, "POST", f"/dead-letters/{order.what}", asked)
    progress, wait = begun, FIRST_LOOK_SECONDS
    while not progress["finished"]:
        time.sleep(wait)
        wait = min(LONGEST_LOOK_SECONDS, wait * 1.5)
        progress = _request(client, "GET", "/dead-letters", None)
        if (progress["number"], progress["what"]) != (begun["number"], begun["what"]):
            raise _unreachable("it was restarted in the meantime")
    return progress


def _pid_of_server(data_dir: Path) -> int | None:
    text = (data_dir / "lock").read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdigit() else None


def _request(client: ServerClient, method: str, path: str, body: object) -> Progress:
    try:
        with client:
            status, said = client.fetch(method, path, body)
        if status == 409:
            raise JobRefused(why=_without_advice(error_in(said)))
        if status not in (200, 202):
            raise ServerUnreachable(cause=f"{client.where} answers {status}: {error_in(said)}")
        progress: Progress = client.as_json(said)
    except ServerUnreachable as error:
        raise _unreachable(str(error)) from error
    return progress


def _without_advice(text: str) -> str:
    return text.removesuffix("; nothing was started, try again later")


def _unreachable(cause: str) -> ServerUnreachable:
    return ServerUnreachable(
        cause=f"data_dir is in use by a server, but {cause} (api.listen). Letters not settled "
        "stay; repeating it stores nothing twice",
    )


# --- the summary at the end --------------------------------------------------------------

_WORDS = {
    "stored": "stored",
    "already_stored": "already stored",
    "failure_stored": "in the failure store",
    "dead_lettered": "dead-lettered again",
    "dropped": "dropped by a rule",
}


def sentence(progress: Progress) -> str:
    """Say in one line what became of the letters."""
    tally = progress["tally"]
    if not tally["chosen"] and not tally["left_because"] and not progress["failed"]:
        return NOTHING_FITS
    if progress["what"] == "purge":
        said = f"{tally['purged']} purged"
    else:
        parts = [f"{tally[name]} {words}" for name, words in _WORDS.items() if tally[name]]
        said = f"{tally['chosen']} requeued: {', '.join(parts) or 'none settled'}"
    if tally["left"]:
        said += f"; {tally['left']} left unchanged ({tally['left_because']})"
    elif tally["left_because"]:
        said += f"; not all were reached ({tally['left_because']})"
    if progress["failed"]:
        said += f"; ended early: {progress['failed']}"
    return said


def exit_code(progress: Progress) -> ExitCode:
    """5 when an event is still a dead letter that was not to be one, 1 when none was chosen."""
    tally = progress["tally"]
    if progress["failed"]:
        return ExitCode.FAILED
    if tally["left_because"] or tally["dead_lettered"]:
        return ExitCode.NOT_ALL_DELIVERED
    if not tally["chosen"]:
        return ExitCode.FAILED
    return ExitCode.DONE


NOTHING_FITS = "no waiting dead letter matches these options: nothing was done"
LISTED_MOST = 10_000

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print whole records, one per line."
)


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


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that select letters; a letter must match all options given."""
    options = (
        click.option("--all", "everything", is_flag=True, help="Every waiting letter."),
        click.option("--reason", "reasons", multiple=True, metavar="R", help="Repeatable."),
        click.option("--stream", "streams", multiple=True, metavar="S", help="Repeatable."),
        click.option("--id", "ids", multiple=True, metavar="ID", help="Repeatable."),
        click.option(
            "--older-than",
            metavar="AGE",
            help="Letters older than 15m, 24h or 7d, or written before a time.",
        ),
        click.option("--dry-run", is_flag=True, help="Only print what would happen."),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True, max=86_400),
            default=300.0,
            show_default=True,
            help="Seconds; letters not settled by then stay.",
        ),
        address_option,
        token_option,
        json_option,
        config_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@dead_letters.command(epilog="Example: ptingest dead-letters requeue --reason template_missing")
@choosing
def requeue(**asked: Any) -> ExitCode:
    """Put dead letters through the current pipeline again, each under its key.

    Repeating it stores nothing twice. What is refused again becomes a new dead letter. Exit
    codes: 0 all settled, 1 no letter matches, 4 the running server cannot be reached, 5 some
    are still dead letters.
    """
    return _carry_out("requeue", **asked)


@dead_letters.command(epilog="Example: ptingest dead-letters purge --older-than 7d --dry-run")
@choosing
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

    choice = _choice(**named)
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
    from ptingest.server.requeue import chosen_letters

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


def _choice(
    everything: bool,
    reasons: tuple[str, ...],
    streams: tuple[str, ...],
    ids: tuple[str, ...],
    older_than: str | None,
) -> LetterFilter:
    from ptingest.kql.times import moment
    from ptingest.model.letters import LetterFilter

    before = None
    if older_than is not None:
        before = moment(older_than, datetime.now(UTC))
        if before is None:
            raise click.BadParameter(
                f"{older_than!r} is not an age; write 15m, 24h or 7d, or a time such as 2025-01-02",
                param_hint="--older-than",
            )
    choice = LetterFilter(everything, reasons, streams, ids, before=before)
    if choice.is_empty:
        cure = copyable("`ptingest dead-letters list` shows them")
        raise click.UsageError(
            f"select letters: --all, --reason, --stream, --id or --older-than ({cure})"
        )
    return choice


def _preview(config: Path | None, order: Order, *, as_json: bool) -> ExitCode:
    import os
    import time

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
