"""Which sink's documents are read: the one place that chooses."""

from __future__ import annotations

from pathlib import Path

from ptingest.model.explore import DocumentReader
from ptingest.settings.server import ServerSettings


def document_reader(settings: ServerSettings) -> DocumentReader | None:
    """Return the reader for a config: of the embedded store where there is one, since it needs
    no network; None where no sink can be read. Nothing is opened or connected yet."""
    sinks = settings.sinks
    if sinks.store is not None:
        from ptingest.sinks.store.read.pool import StoreExplorer

        return StoreExplorer(Path(settings.data_dir) / sinks.store.path)
    return None
