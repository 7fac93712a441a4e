"""Dead letters for people: a list by reason and data stream, and one letter whole.

Text from events is shown escaped: it may hold anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ptingest.cli.visible import escaped

if TYPE_CHECKING:
    from ptingest.dead_letters.queue import StoredLetter
    from ptingest.model.letters import LetterGroup, LetterKind, LetterRow

DETAIL_CHARACTERS = 200
MESSAGE_CHARACTERS = 80
SHOWN_BYTES = 64 << 10
"""Of the event of a whole letter."""
KINDS = 500
"""Groups that are kept; data streams come from events."""


def grouped(letters: Iterable[StoredLetter], *, limit: int) -> tuple[int, Iterator[str]]:
    """Read all letters; return their number, and lines with the newest ``limit`` of each group."""
    from ptingest.dead_letters.groups import LetterGroups, row_of
    from ptingest.model.letters import LetterKind

    groups = LetterGroups(limit=KINDS)
    newest: dict[LetterKind, deque[LetterRow]] = {}
    count = 0
    for stored in letters:
        count += 1
        if groups.add(stored):
            kind = LetterKind(stored.letter.reason, stored.letter.data_stream)
            newest.setdefault(kind, deque(maxlen=limit)).append(row_of(stored))

    def lines() -> Iterator[str]:
        for group in groups.most_common():
            yield from _group_lines(group, list(reversed(newest[group.kind])))
        if groups.left_out:
            yield f"and {groups.left_out} letters of further kinds: --reason or --json shows them"

    return count, lines()


def _group_lines(group: LetterGroup, rows: list[LetterRow]) -> Iterator[str]:
    kind = group.kind
    letters = f"{group.letters} letter{'' if group.letters == 1 else 's'}"
    times = group.newest if group.letters == 1 else f"{group.oldest} to {group.newest}"
    yield f"{escaped(kind.reason)}  {escaped(kind.data_stream or '-')}  {letters}, {times}"
    said = None
    for row in rows:
        if row.detail != said:
            said = row.detail
            yield f"  said: {cut(said, DETAIL_CHARACTERS)}"
        service = escaped(row.service or "-")
        yield f"  {row.id}  {row.time}  {service}  {cut(row.message, MESSAGE_CHARACTERS)}"
    if group.letters > len(rows):
        yield f"  and {group.letters - len(rows)} more: --limit N shows more, --json all"


def cut(text: str, characters: int) -> str:
    """Return text escaped, and at most so long."""
    shown = escaped(text)
    return shown if len(shown) <= characters else f"{shown[: characters - 1]}…"


def whole_letter(stored: StoredLetter) -> str:
    """Return all fields of a letter and its event, of which only what is very long is cut."""
    letter = stored.letter
    fields = [
        ("id", stored.id),
        ("time", stored.time),
        ("reason", letter.reason),
        *([("events", letter.count)] if letter.count > 1 else []),
        ("detail", letter.detail[:SHOWN_BYTES]),
        ("service", letter.service),
        ("data stream", letter.data_stream or "-"),
        ("key", letter.key or "-"),
        ("peer", letter.peer),
    ]
    lines = [f"{name:12}{escaped(str(value))}" for name, value in fields]
    return "\n".join([*lines, "", readable(letter.payload)])


def readable(payload: bytes) -> str:
    """The event, indented when it is JSON; what is not text is escaped, what is long is cut."""
    import msgspec

    if len(payload) > SHOWN_BYTES:
        more = f"… {len(payload) - SHOWN_BYTES:,} more bytes; --json prints all"
        return f"{escaped(payload[:SHOWN_BYTES].decode('utf-8', 'replace'))}\n{more}"
    try:
        return msgspec.json.format(payload, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return escaped(payload.decode("utf-8", "backslashreplace"))
