from __future__ import annotations

import pytest

from ptingest.settings.sinks import ElasticsearchSettings, OpenSearchSettings
from ptingest.sinks.elasticsearch.dialect import (
    DIALECTS,
    ELASTICSEARCH,
    OPENSEARCH,
    Dialect,
    dialect_of,
)


def test_the_settings_say_the_dialect() -> None:
    hosts = ("http://node:9200",)

    assert dialect_of(ElasticsearchSettings(hosts=hosts)) is ELASTICSEARCH
    assert dialect_of(OpenSearchSettings(hosts=hosts)) is OPENSEARCH


@pytest.mark.parametrize(
    ("dialect", "json", "ndjson"),
    [
        (
            ELASTICSEARCH,
            "application/vnd.elasticsearch+json; compatible-with=8",
            "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
        ),
        (OPENSEARCH, "application/json", "application/x-ndjson"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_media_types_are_those_that_the_server_takes(
    dialect: Dialect, json: str, ndjson: str
) -> None:
    assert (dialect.json, dialect.ndjson) == (json, ndjson)


def test_advice_names_the_place_and_the_oldest_version() -> None:
    told = [(one.place, one.oldest_text) for one in DIALECTS]

    assert told == [("sinks.elasticsearch", "8.13"), ("sinks.opensearch", "2.19")]
