"""Which sink's documents and failure stores are read: the one place that chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ptingest.model.explore import DocumentReader
from ptingest.model.streams import StreamNames
from ptingest.settings.server import ServerSettings

if TYPE_CHECKING:
    from ptingest.sinks.elasticsearch.read.failures import FailureReader


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


def failure_reader(
    settings: ServerSettings, streams: Callable[[], StreamNames]
) -> Callable[[], FailureReader] | None:
    """Return what opens a reader of the failure stores of ``sinks.elasticsearch``; None where
    the config has no such sink."""
    sink = settings.sinks.elasticsearch
    if sink is None:
        return None

    def opened() -> FailureReader:
        from ptingest.sinks.elasticsearch.read.failures import FailureReader

        return FailureReader(sink, streams=streams)

    return opened
