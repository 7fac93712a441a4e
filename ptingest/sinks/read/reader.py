"""Which sink's documents are read: the one place that chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ptingest.model.explore import DocumentReader
from ptingest.model.streams import StreamNames
from ptingest.settings.server import ServerSettings


def document_reader(
    settings: ServerSettings, streams: Callable[[], StreamNames]
) -> DocumentReader | None:
    """Return the reader for a config: of the embedded store where there is one, since it needs
    no network, else of the cluster; None where no sink can be read. Nothing is opened or
    connected yet. ``streams`` gives the data streams of the profile."""
    sinks = settings.sinks
    if sinks.store is not None:
        from ptingest.sinks.store.read.pool import StoreExplorer

        return StoreExplorer(Path(settings.data_dir) / sinks.store.path)
    cluster = sinks.elasticsearch or sinks.opensearch
    if cluster is not None:
        from ptingest.sinks.elasticsearch.read.reader import ElasticsearchReader

        return ElasticsearchReader(cluster, streams=streams)
    return None
