"""What may be asked of the events on their way: to see them pass, and what became of one.

The same words travel over HTTP and between processes; unknown keys are refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

PassingFate = Literal["passed", "dropped", "dead_lettered"]
FATES: tuple[PassingFate, ...] = ("passed", "dropped", "dead_lettered")


class TapRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events one tap wants to see."""

    query: str = "*"
    """In the query language of the store, asked of the document after the pipeline."""
    fates: tuple[PassingFate, ...] = ("passed",)
    """``passed`` is on its way to the sinks; ``dropped`` by a rule; ``dead_lettered`` by the
    pipeline, or refused by a sink."""
    raw: bool = False
    """The payload as the Beat sent it, instead of the document."""
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """Of the events, before the query is asked."""


class WhyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, named by its key or by its text; exactly one of the two."""

    id: str | None = None
    line: str | None = None
    service: str | None = None
    """With ``line``: whose line it is, for showing what the pipeline would make of it."""
