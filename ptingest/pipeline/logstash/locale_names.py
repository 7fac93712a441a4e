"""Names of months, days, halves of the day and eras in the languages that ``date`` reads.

The names are those of a Java runtime of release 17 (CLDR); ``locale_names.json`` holds them. An
entry of a region names what differs from its language, or another region that is the same.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_FILE = Path(__file__).with_suffix(".json")


class LocaleNames(NamedTuple):
    """Names of one locale; months from January, days from Monday, BC before AD."""

    months: tuple[str, ...]
    short_months: tuple[str, ...]
    days: tuple[str, ...]
    short_days: tuple[str, ...]
    halves: tuple[str, ...]
    eras: tuple[str, ...]


@cache
def locale_names(tag: str) -> LocaleNames | None:
    """Return the names of a language tag such as ``de`` or ``en-GB`` (``_`` is taken for ``-``).

    A region without names of its own has those of its language; None for an unknown language.
    """
    language, _, rest = tag.replace("_", "-").partition("-")
    table = _table()
    names = table.get(language.lower())
    if names is None:
        return None
    region = rest.rpartition("-")[2].upper()
    own = table.get(f"{language.lower()}-{region}", {})
    if isinstance(own, str):
        own = table[own]
    merged = {**names, **own}
    for key in ("days", "short_days"):
        sunday, *others = merged[key]
        merged[key] = [*others, sunday]
    return LocaleNames(**{key: tuple(merged[key]) for key in LocaleNames._fields})


def known_languages() -> list[str]:
    """Return the languages that have names, sorted."""
    return sorted(tag for tag in _table() if "-" not in tag)


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return table
