"""Sinks: combinations of settings that are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ptingest.settings.sinks import ElasticsearchSettings, SinksSettings, StoreSettings

HOSTS = ["http://elasticsearch:9200"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"username": "u"}, "belong together", id="a user without a password"),
        pytest.param({"password": "p"}, "belong together", id="a password without a user"),
        pytest.param(
            {"api_key": "k", "username": "u", "password": "p"}, "api_key excludes", id="both ways"
        ),
        pytest.param(
            {"ca_file": "c", "fingerprint": "f"}, "ca_file excludes", id="two ways to trust"
        ),
        pytest.param({"key": "k"}, "nothing without certificate", id="a key alone"),
        pytest.param({"hosts": ["elasticsearch:9200"]}, "must begin with http", id="no scheme"),
        pytest.param({"hosts": []}, "at least 1", id="no host"),
    ],
)
def test_contradictions_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ElasticsearchSettings.model_validate({"hosts": HOSTS, **given})


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="no log-in"),
        pytest.param({"username": "u", "password": "p"}, id="user and password"),
        pytest.param({"api_key": "k"}, id="an API key"),
        pytest.param({"fingerprint": "f"}, id="a fingerprint"),
    ],
)
def test_one_way_to_log_in_is_fine(given: dict[str, object]) -> None:
    assert ElasticsearchSettings.model_validate({"hosts": HOSTS, **given}).ids == "keyed"


def test_secrets_are_not_in_the_repr() -> None:
    settings = ElasticsearchSettings.model_validate(
        {"hosts": HOSTS, "username": "u", "password": "geheim"}
    )

    assert "geheim" not in repr(settings)
    assert "geheim" not in str(settings.model_dump())


def test_a_config_without_any_sink_is_refused() -> None:
    with pytest.raises(ValidationError, match="no sink is given"):
        SinksSettings()


def test_the_store_has_one_writer() -> None:
    with pytest.raises(ValidationError):
        StoreSettings(concurrency=2)


@pytest.mark.parametrize(
    "hosts",
    ["http://a:1, https://b:2", ["http://a:1,https://b:2"], ["http://a:1", "https://b:2,"]],
    ids=["one text", "one entry", "a comma at the end"],
)
def test_hosts_may_be_one_text_with_commas(hosts: object) -> None:
    assert ElasticsearchSettings.model_validate({"hosts": hosts}).hosts == (
        "http://a:1",
        "https://b:2",
    )
