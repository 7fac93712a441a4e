"""The options that select letters or failure documents: which make no sense, and why none fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ptingest.cli.options import address_option, config_option, copyable, token_option
from ptingest.cli.visible import escaped

if TYPE_CHECKING:
    from ptingest.model.letters import LetterFilter

MOST_SHOWN = 5
"""Of the reasons, data streams and ids there are."""


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print whole records, one per line."
)

Command = Callable[..., Any]


def choosing(thing: str) -> Callable[[Command], Command]:
    """The options of an order that select things; a thing must match all options given."""
    options = (
        click.option("--all", "everything", is_flag=True, help=f"Every waiting {thing}."),
        click.option("--reason", "reasons", multiple=True, metavar="R", help="Repeatable."),
        click.option("--stream", "streams", multiple=True, metavar="S", help="Repeatable."),
        click.option("--id", "ids", multiple=True, metavar="ID", help="Repeatable."),
        click.option(
            "--older-than",
            metavar="AGE",
            help=f"Each {thing} older than 15m, 24h or 7d, or written before a time.",
        ),
        click.option("--dry-run", is_flag=True, help="Only print what would happen."),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True, max=86_400),
            default=300.0,
            show_default=True,
            help="Seconds; what is not settled by then stays.",
        ),
        address_option,
        token_option,
        json_option,
        config_option,
    )

    def with_options(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


def chosen_by(
    *,
    things: str,
    command: str,
    everything: bool,
    reasons: tuple[str, ...],
    streams: tuple[str, ...],
    ids: tuple[str, ...],
    older_than: str | None,
) -> LetterFilter:
    """Return the filter that the options of an order make.

    Raises:
        click.UsageError: no option is given, or an age is none.
    """
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
        cure = copyable(f"`ptingest {command} list` shows them")
        raise click.UsageError(
            f"select {things}: --all, --reason, --stream, --id or --older-than ({cure})"
        )
    return choice


def check_reasons(asked: tuple[str, ...], directory: Path) -> None:
    """Refuse a reason that no letter can have; a letter of another version may have its own."""
    from ptingest.dead_letters.queue import read_letters
    from ptingest.model.reasons import REASONS

    if all(reason in REASONS for reason in asked):
        return
    found = Counter(one.letter.reason for one in read_letters(directory, with_done=True))
    for reason in asked:
        if reason not in REASONS and reason not in found:
            waiting = ", ".join(f"{name} ({count})" for name, count in found.most_common())
            raise click.BadParameter(
                f"{reason!r} is not a reason of a dead letter; nothing was done. In {directory}: "
                f"{escaped(waiting) or 'none'}. Known reasons: {', '.join(sorted(REASONS))}",
                param_hint="--reason",
            )


def why_none_fits(choice: LetterFilter, directory: Path) -> Iterator[str]:
    """Yield a sentence on the letters that are there, and one for each option that excludes all.

    Text from events and from options is escaped.
    """
    letters = _Letters(choice, directory)
    if not letters.waiting:
        yield f"no dead letter is waiting in {directory}"
        yield from letters.about_ids()
        return
    yield (
        f"{letters.waiting:,} waiting in {directory}, written {letters.oldest} to {letters.newest}"
    )
    excluding = [*letters.about_reasons(), *letters.about_streams(), *letters.about_ids()]
    if choice.before is not None and letters.oldest >= choice.before:
        excluding.append(f"--older-than: none is older than {choice.before}")
    yield from excluding
    if not excluding:
        yield "each of the options fits some of them, all options together fit none"


class _Letters:
    """What one reading of a folder shows beside a choice."""

    def __init__(self, choice: LetterFilter, directory: Path) -> None:
        from ptingest.dead_letters.queue import read_filed

        self._choice = choice
        self.waiting = 0
        self.oldest = self.newest = ""
        self._reasons: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()
        self._waiting_ids: set[str] = set()
        wanted = set(choice.ids)
        for filed in read_filed(directory):
            stored = filed.stored
            self.waiting += 1
            self.oldest = min(self.oldest or stored.time, stored.time)
            self.newest = max(self.newest, stored.time)
            self._reasons[stored.letter.reason] += 1
            self._streams[stored.letter.data_stream or "-"] += 1
            if stored.id in wanted:
                self._waiting_ids.add(stored.id)

    def about_reasons(self) -> Iterator[str]:
        yield from _none_of("--reason", self._choice.reasons, self._reasons)

    def about_streams(self) -> Iterator[str]:
        yield from _none_of("--stream", self._choice.data_streams, self._streams)

    def about_ids(self) -> Iterator[str]:
        away = [one for one in self._choice.ids if one not in self._waiting_ids]
        if away and len(away) == len(self._choice.ids):
            shown = escaped(", ".join(away[:MOST_SHOWN]))
            yield f"--id {shown}: not waiting; requeued or purged already, or of another data_dir"


def _none_of(option: str, asked: tuple[str, ...], there: Counter[str]) -> Iterator[str]:
    if not asked or any(one in there for one in asked):
        return
    known = [f"{name} ({count:,})" for name, count in there.most_common(MOST_SHOWN)]
    if len(there) > MOST_SHOWN:
        known.append(f"{len(there) - MOST_SHOWN} others")
    yield escaped(f"{option} {', '.join(asked)}: none has it; there are {', '.join(known)}")
