"""What a command knows of its terminal: colours, width, and findings as lines of that width.

Only a terminal has a width, which ``COLUMNS`` overrides. A file or a pipe gets each finding,
looked-at place and cure as one line, however long it is, so that `grep` finds it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import TextIO

import click

from ptingest.cli.options import copyable
from ptingest.cli.visible import visible, visible_lines
from ptingest.model.finding import Finding

COLOURS = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "red"}
NARROWEST = 20
"""Columns below which wrapping makes text harder to read, not easier."""
INDENT = 9
"""Width of a finding's mark and the blanks behind it."""
_DUMB = ("dumb", "unknown")
_COMMAND = re.compile(r"`[^`\n]+`")
_UNBROKEN = "\N{NO-BREAK SPACE}"


def wants_no_colour(environ: Mapping[str, str]) -> bool:
    """Whether no command may colour or style its output, even on a terminal.

    ``NO_COLOR`` with any text (no-color.org), or a terminal that takes no escape sequences.
    """
    return bool(environ.get("NO_COLOR")) or environ.get("TERM") in _DUMB


def is_drawable(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose cursor can be moved: for bars and live screens."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in _DUMB


def width_of(stream: TextIO) -> int | None:
    """Return the columns of the terminal behind a stream; None where lines may be of any length."""
    if not stream.isatty():
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns)


def wrapped(text: str, *, first: str = "", indent: int = 0, width: int | None) -> list[str]:
    """Return text as lines of at most ``width`` columns.

    ``first`` stands before the first line, ``indent`` blanks before all others. What cannot be
    divided, such as an address, and a command in backticks stay whole, so that they can be copied.
    """
    if width is None or len(first) + len(text) <= width:
        return [first + text]
    kept = _COMMAND.sub(lambda command: command[0].replace(" ", _UNBROKEN), text)
    lines = textwrap.wrap(
        kept,
        width,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_UNBROKEN, " ") for line in lines] or [first]


def marked_lines(mark: str, colour: str, text: str, *, indent: int, width: int | None) -> list[str]:
    """Return printable text behind a coloured mark, all its lines below each other."""
    first, *rest = wrapped(text, first=" " * indent, indent=indent, width=width)
    # Set in after wrapping: escape sequences have no width.
    return [f"{click.style(f'{mark:{indent}}', fg=colour)}{first[indent:]}", *rest]


def finding_lines(finding: Finding, *, width: int | None) -> Iterator[str]:
    """Yield a finding, where it was looked for, and each of its cures; no text commands."""
    colour = COLOURS[finding.mark]
    text = visible(finding.sentence)
    yield from marked_lines(finding.mark, colour, text, indent=INDENT, width=width)
    for line in _named("looked at", finding.looked_at, width):
        yield click.style(line, dim=True)
    for cure in finding.cures:
        yield from _named("cure", cure, width)


def _named(name: str, text: str, width: int | None) -> list[str]:
    if not text:
        return []
    first = f"{'':{INDENT}}{name}: "
    return wrapped(visible(text), first=first, indent=len(first), width=width)


def show_finding(finding: Finding) -> None:
    """Write a finding to standard output, its commands as they can be copied."""
    shown = finding._replace(found=copyable(finding.found), cure=copyable(finding.cure))
    for line in finding_lines(shown, width=width_of(sys.stdout)):
        click.echo(line)


def show_error(text: str) -> None:
    """Write what ended a command to standard error, its lines kept."""
    for line in visible_lines(text).split("\n"):
        # A line that is indented already points into another, as the caret below a query.
        is_sketch = line.startswith(" ")
        for part in [line] if is_sketch else wrapped(line, indent=4, width=width_of(sys.stderr)):
            click.echo(part, err=True)
