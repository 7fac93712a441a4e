from __future__ import annotations

import pytest

from ptingest.model.streams import StreamNames
from ptingest.settings.server import ServerSettings
from ptingest.sinks.read.reader import document_reader

ELASTICSEARCH = {"hosts": ("http://127.0.0.1:9200",)}


@pytest.mark.parametrize(
    ("sinks", "name"),
    [
        ({"store": {}}, "store"),
        ({"store": {}, "elasticsearch": ELASTICSEARCH}, "store"),
        ({"elasticsearch": ELASTICSEARCH}, "elasticsearch"),
        ({"ndjson": {}}, None),
    ],
)
async def test_the_store_is_read_where_there_is_one(
    sinks: dict[str, object], name: str | None
) -> None:
    reader = document_reader(
        ServerSettings.model_validate({"sinks": sinks}), lambda: StreamNames(("logs-*-pt",))
    )

    assert (None if reader is None else reader.name) == name
    if reader is not None:
        await reader.close()
