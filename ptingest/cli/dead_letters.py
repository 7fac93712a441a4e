"""`ptingest dead-letters`: look at the events that no sink would take.

Reads the folder under ``data_dir`` itself, so it works beside a running server and
without one. Text from events is shown escaped: it may hold anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.json_lines import write_json_line
from ptingest.cli.options import config_option, load_settings

if TYPE_CHECKING:
    from ptingest.delivery.dead_letter import StoredLetter

DETAIL_CHARACTERS = 80

json_option = click.option("--json", "as_json", is_flag=True, help="Whole records, one a line.")


@click.group("dead-letters", epilog="Example: ptingest dead-letters list --config ptingest.yaml")
def dead_letters() -> None:
    """Look at events that no sink would take."""


@dead_letters.command("list", epilog="Example: ptingest dead-letters list --json | jq .reason")
@json_option
@config_option
def list_(as_json: bool, config: Path | None) -> ExitCode:
    """List all dead letters, oldest first."""
    from ptingest.delivery.dead_letter import read_letters

    directory = _directory(config)
    count = 0
    try:
        for stored in read_letters(directory):
            count += 1
            if as_json:
                write_json_line(stored.as_json())
            else:
                click.echo(_row(stored))
    except PermissionError as error:
        raise _unreadable(error) from error
    if not as_json:
        click.echo(f"{count} dead letters in {directory}", err=True)
    return ExitCode.DONE


@dead_letters.command(epilog="Example: ptingest dead-letters show 01JB2QXEZ3T8V5N7K4M9P6R1S0")
@click.argument("letter_id", metavar="ID")
@json_option
@config_option
def show(letter_id: str, as_json: bool, config: Path | None) -> ExitCode:
    """Show one dead letter whole: why it is here, and the event as the Beat sent it."""
    from ptingest.delivery.dead_letter import find_letter

    directory = _directory(config)
    try:
        stored = find_letter(directory, letter_id)
    except PermissionError as error:
        raise _unreadable(error) from error
    if stored is None:
        raise click.ClickException(
            f"there is no dead letter {letter_id} in {directory}; `ptingest dead-letters list` "
            "shows their ids"
        )
    if as_json:
        write_json_line(stored.as_json())
    else:
        click.echo(_whole(stored))
    return ExitCode.DONE


def _directory(config: Path | None) -> Path:
    return Path(load_settings(config).data_dir) / "dead_letters"


def _unreadable(error: PermissionError) -> click.ClickException:
    return click.ClickException(
        f"{error.filename}: {error.strerror}; run this as the user the server runs as"
    )


def _row(stored: StoredLetter) -> str:
    letter = stored.letter
    detail = _on_one_line(letter.detail)
    if len(detail) > DETAIL_CHARACTERS:
        detail = detail[: DETAIL_CHARACTERS - 1] + "…"
    stream = _on_one_line(letter.data_stream or "-")
    service = _on_one_line(letter.service)
    return f"{stored.id}  {stored.time}  {service}  {letter.reason}  {stream}  {detail}"


def _whole(stored: StoredLetter) -> str:
    letter = stored.letter
    fields = [
        ("id", stored.id),
        ("time", stored.time),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("service", letter.service),
        ("data stream", letter.data_stream or "-"),
        ("key", letter.key or "-"),
        ("peer", letter.peer),
    ]
    lines = [f"{name:12}{_on_one_line(str(value))}" for name, value in fields]
    return "\n".join([*lines, "", _payload(letter.payload)])


def _payload(payload: bytes) -> str:
    """The event, indented when it is JSON; what is not text is escaped."""
    import msgspec

    try:
        return msgspec.json.format(payload, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _on_one_line(payload.decode("utf-8", "backslashreplace"))


def _on_one_line(text: str) -> str:
    """Show control characters instead of sending them to the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
