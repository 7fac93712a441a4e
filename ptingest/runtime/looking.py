"""What the console shows beyond the status: the one place that connects its seams."""

from __future__ import annotations

from collections.abc import Callable

from ptingest.api.console.seams import Seams
from ptingest.pipeline.pipeline import Pipeline
from ptingest.runtime.trial import LineTrial


def console_seams(*, pipeline: Callable[[], Pipeline]) -> Seams:
    """Return the seams of one server; ``pipeline`` gives the one in force, for what is tried."""
    return Seams(trial=LineTrial(pipeline))
