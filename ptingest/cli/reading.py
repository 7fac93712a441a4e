"""The reader of stored documents for a command."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ptingest.model.explore import DocumentReader
    from ptingest.model.streams import StreamNames
    from ptingest.settings.server import ServerSettings


def reader_of(settings: ServerSettings) -> DocumentReader | None:
    """Return the reader for a config, None where no sink can be read.

    The profile is read only where data streams have to be named.
    """
    from ptingest.sinks.read.reader import document_reader

    def streams() -> StreamNames:
        from ptingest.pipeline.route import stream_names
        from ptingest.server.assembly import read_profile

        return stream_names(read_profile(settings, os.environ))

    return document_reader(settings, cache(streams))
