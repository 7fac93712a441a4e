from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.cli.reading import reader_of
from ptingest.errors import ConfigInvalid
from ptingest.settings.server import ServerSettings

ELASTICSEARCH = {"hosts": ("http://127.0.0.1:9",)}


def settings(sinks: dict[str, object], profile: Path) -> ServerSettings:
    return ServerSettings.model_validate({"sinks": sinks, "profile": str(profile)})


async def test_the_profile_is_read_only_where_data_streams_have_to_be_named(
    tmp_path: Path,
) -> None:
    missing = tmp_path / "missing.yaml"

    store = reader_of(settings({"store": {}}, missing))
    elasticsearch = reader_of(settings({"elasticsearch": ELASTICSEARCH}, missing))

    assert store is not None
    assert elasticsearch is not None
    with pytest.raises(ConfigInvalid, match=r"missing\.yaml"):
        await elasticsearch.newest_time()
    await store.close()
    await elasticsearch.close()


def test_where_no_sink_can_be_read_there_is_no_reader(tmp_path: Path) -> None:
    assert reader_of(settings({"ndjson": {}}, tmp_path)) is None
