from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptingest.pipeline.compile import packaged_profile_path
from ptingest.settings.load import load_profile, load_server
from ptingest.settings.server import ServerSettings
from ptingest.workers.messages import pack_config, unpack_config
from tests.support.modules import ROOT

TLS = {
    "certificate": "a.pem",
    "key_password": "hush",
    "client_auth": "required",
    "client_ca": "b.pem",
    "allow": ["web-1.example"],
    "senders": {"web-2.example": {"groups": ["pt"], "services": None}},
}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"workers": 4, "beats": {"allow_from": ["10.0.0.0/8"], "tls": TLS}, "api": {"token": "t"}},
        {"sinks": {"elasticsearch": {"hosts": ["http://a:9"], "username": "u", "password": "p"}}},
        {"sinks": {"ndjson": {}, "store": {"max_age_days": None}}},
    ],
    ids=["defaults", "TLS and secrets", "a log-in", "two sinks"],
)
def test_settings_come_out_as_they_went_in_secrets_included(keys: dict[str, Any]) -> None:
    settings = ServerSettings.model_validate(keys)
    profile = load_profile(packaged_profile_path(), {})

    assert unpack_config(pack_config(settings, profile)) == (settings, profile)


def test_the_shipped_config_survives_too(tmp_path: Path) -> None:
    settings = load_server(ROOT / "config" / "ptingest.yaml", {})
    profile = load_profile(ROOT / "config" / "pt.yaml", {})

    assert unpack_config(pack_config(settings, profile)) == (settings, profile)
