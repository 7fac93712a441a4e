"""Requests about events in flight: taps, which show them as they pass, and traces of one event.

The same types travel over HTTP and between processes; unknown keys are refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

PassingFate = Literal["passed", "dropped", "dead_lettered"]
FATES: tuple[PassingFate, ...] = ("passed", "dropped", "dead_lettered")


class TapRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events one tap shows."""

    query: str = "*"
    """A query in the language of the store, applied to the document after the pipeline."""
    fates: tuple[PassingFate, ...] = ("passed",)
    """``passed``: on its way to the sinks; ``dropped``: by a rule; ``dead_lettered``: by the
    pipeline, or refused by a sink."""
    raw: bool = False
    """Show the payload as the Beat sent it, instead of the document."""
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """Share of the events that is examined, before the query is applied."""


class WhyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, named by its key or by its text; exactly one of the two is set."""

    id: str | None = None
    line: str | None = None
    service: str | None = None
    """With ``line``: the service of the line, to show what the pipeline would make of it."""
