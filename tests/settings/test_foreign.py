"""Settings of Logstash and Beats are told what they are called here."""

from __future__ import annotations

import re

import pytest

from ptingest.settings.explain import all_places
from ptingest.settings.foreign import _ROWS, counterpart_of
from ptingest.settings.parse import dotted
from ptingest.settings.server import ServerSettings

PLACES = {dotted(place) for place in all_places(ServerSettings)}
ES = "sinks.elasticsearch"
NAMED = re.compile(r"here (?:it is|they are) (?:the section )?([a-z_.]*[a-z])")


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("sinks.elasticsearch.ssl_certificate_authorities", "ca_file"),
        ("sinks.elasticsearch.index", "data_stream of a group in the profile"),
        ("sinks.elasticsearch.cloud_id", "hosts"),
        ("sinks.elasticsearch.user", "username"),
        ("sinks.elasticsearch.ssl.certificate_authorities", "ca_file"),
        ("beats.port", 'listen: "0.0.0.0:5044"'),
        ("beats.ssl_certificate", "tls"),
        ("beats.tls.ssl_certificate_authorities", "client_ca"),
        ("beats.tls.certificate_authorities", "client_ca"),
        ("ssl_certificate_authorities", f"ca_file of {ES}"),
        ("index", "data_stream of a group in the profile"),
        ("hosts", f"hosts of {ES}"),
        ("cloud_id", f"hosts of {ES}"),
        ("cloud.id", f"hosts of {ES}"),
        ("pipeline.workers", "workers"),
        ("api.http.port", "listen in the section api"),
        ("filebeat.inputs", "filebeat.yml"),
    ],
)
def test_what_people_bring_has_a_counterpart(path: str, cure: str) -> None:
    assert cure in (counterpart_of(path) or "")


@pytest.mark.parametrize("path", ["wrokers", "sinks.elasticsearch.hots", "api.colour", ""])
def test_what_comes_from_nowhere_has_none(path: str) -> None:
    assert counterpart_of(path) is None


def test_no_setting_of_ours_is_taken_for_one_of_theirs() -> None:
    assert [place for place in PLACES if counterpart_of(place)] == []


@pytest.mark.parametrize(("path", "cure"), _ROWS, ids=[path for path, _ in _ROWS])
def test_the_settings_that_a_cure_names_exist(path: str, cure: str) -> None:
    for name in NAMED.findall(cure):
        assert any(f".{place}".endswith(f".{name}") for place in PLACES)
