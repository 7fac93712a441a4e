"""`ptingest files`, `config` and `profile`: the files for operators that the package holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptingest.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from ptingest.tools.files import ShippedFile


@click.command(epilog="Example: ptingest files ptingest.service --to /etc/systemd/system")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--to",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write the files there instead of printing them; without NAME all of them.",
)
def files(names: tuple[str, ...], folder: Path | None) -> ExitCode:
    """List the files that come with ptingest, print one, or write some of them.

    The unit starts the program that wrote it. A file that exists and differs is kept.

    Exit codes: 0 done, 1 a file exists and differs, or cannot be written.
    """
    from ptingest.tools.files import FILES

    chosen = [_file(name) for name in names]
    if folder is not None:
        return _write(chosen or list(FILES), folder)
    for file in chosen:
        _print(file)
    if not chosen:
        width = max(len(file.name) for file in FILES)
        for file in FILES:
            click.echo(f"{file.name:{width}}  {file.purpose}")
    return ExitCode.DONE


@click.command(epilog="Example: ptingest config > /etc/ptingest/ptingest.yaml")
def config() -> ExitCode:
    """Print the config file with every setting, its default and a comment."""
    _print(_file("ptingest.yaml"))
    return ExitCode.DONE


@click.command(epilog="Example: ptingest profile > /etc/ptingest/pt.yaml")
def profile() -> ExitCode:
    """Print the packaged profile: patterns, categories, data streams.

    To change it, write it to a file and name that with `profile:` in the config.
    """
    _print(_file("pt.yaml"))
    return ExitCode.DONE


def _file(name: str) -> ShippedFile:
    from ptingest.tools.files import FILES, find_file

    found = find_file(name)
    if found is None:
        known = ", ".join(file.name for file in FILES)
        raise click.UsageError(f"there is no file {name!r}; files: {known}")
    return found


def _text(file: ShippedFile) -> str:
    from ptingest.tools.files import read_file

    program = Path(sys.executable).with_name("ptingest")
    return read_file(file, program=program if program.exists() else None)


def _print(file: ShippedFile) -> None:
    sys.stdout.write(_text(file))


def _write(chosen: list[ShippedFile], folder: Path) -> ExitCode:
    code = ExitCode.DONE
    for file in chosen:
        path, text = folder / file.name, _text(file)
        try:
            # Others read them, and nobody else writes them, whatever the umask.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with os.fdopen(descriptor, "w", encoding="utf-8") as new:
                new.write(text)
        except FileExistsError:
            if path.read_bytes() == text.encode():
                click.echo(f"unchanged {path}")
                continue
            click.echo(f"kept      {path}: it exists and differs; move it away first", err=True)
            code = ExitCode.FAILED
        except OSError as error:
            click.echo(f"refused   {path}: {error.strerror}", err=True)
            code = ExitCode.FAILED
        else:
            click.echo(f"written   {path}")
    return code
