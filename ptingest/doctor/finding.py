"""One thing that was looked at: what, how it was found, and the cure."""

from __future__ import annotations

from typing import Literal, NamedTuple

Mark = Literal["ok", "note", "warning", "problem"]


class Verdict(NamedTuple):
    """Only a problem keeps documents from where they belong, or soon will."""

    mark: Mark
    subject: str
    looked_at: str
    found: str
    cure: str = ""


def share(part: float, whole: float) -> str:
    """Spell a share so that a few in a million do not read as none."""
    percent = 100 * part / whole if whole else 0.0
    shown = "under 0.1" if 0 < percent < 0.1 else f"{percent:.3g}"
    return f"{part:.0f} of {whole:.0f} ({shown} %)"


class Remark(NamedTuple):
    """One line of the report. Only a problem keeps the config from being used."""

    mark: Literal["ok", "note", "warning", "problem"]
    subject: str
    detail: str
    cure: str = ""
