"""What the console shows beyond the status: the one place that connects its seams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ptingest.api.console.seams import Seams
from ptingest.api.console.trial import LineTrial
from ptingest.dead_letters.browser import Shelf
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.server import ServerSettings
from ptingest.sinks.store.read.pool import StoreExplorer


def console_seams(settings: ServerSettings, *, pipeline: Callable[[], Pipeline]) -> Seams:
    """Return the seams of one server; ``pipeline`` gives the one in force, for what is tried."""
    folder, store = Path(settings.data_dir), settings.sinks.store
    return Seams(
        trial=LineTrial(pipeline),
        shelf=Shelf(folder / "dead_letters"),
        explorer=StoreExplorer(folder / store.path) if store is not None else None,
    )
