"""TLS settings: contradictions are errors."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ptingest.settings.tls import BeatsTlsSettings, certificate_name

ASKING = {"client_ca": "ca.pem", "client_auth": "required"}
DIGEST = "0a" * 32


def made(**given: Any) -> BeatsTlsSettings:
    return BeatsTlsSettings.model_validate({"certificate": "server.pem", **given})


def test_a_certificate_is_enough() -> None:
    settings = made()

    assert (settings.key, settings.client_auth, settings.allow) == (None, "none", ())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"certificate": None}, "valid string", id="no certificate"),
        pytest.param({"client_ca": "a"}, "no client is asked", id="an authority for nothing"),
        pytest.param({"client_auth": "optional"}, "no client_ca", id="asked, but by whom signed?"),
        pytest.param({"client_auth": "required"}, "no client_ca", id="the same, required"),
        pytest.param({"allow": ["x"]}, "write client_auth: required", id="a list, nobody asked"),
        pytest.param(
            {**ASKING, "client_auth": "optional", "allow": ["x"]},
            "a Beat without one gets in",
            id="a list that one may walk around",
        ),
        pytest.param(
            {**ASKING, "client_auth": "optional", "senders": {"x": {"groups": ["pt"]}}},
            "senders names certificates",
            id="limits that one may walk around",
        ),
        pytest.param(
            {**ASKING, "allow": ["WEB"], "senders": {"web": {"groups": ["pt"]}}},
            "stands in allow",
            id="free and limited",
        ),
        pytest.param({**ASKING, "senders": {"web": {}}}, "is not limited", id="limited to all"),
        pytest.param(
            {**ASKING, "senders": {"web": {"groups": []}}}, "at least 1", id="limited to nothing"
        ),
        pytest.param({**ASKING, "allow": [" "]}, "fits no certificate", id="an empty name"),
        pytest.param({**ASKING, "allow": ["ab" * 20]}, "SHA-256 one", id="a SHA-1 fingerprint"),
        pytest.param({"client_auth": "verify"}, "Input should be", id="an unknown word"),
        pytest.param({"versions": ["1.0"]}, "not permitted", id="an unknown key"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        made(**given)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("Web-1.Example", "web-1.example"),
        (" web 1 ", "web 1"),
        (DIGEST.upper(), DIGEST),
        (":".join(["0A"] * 32), DIGEST),
        ("2001:DB8::7", "2001:db8::7"),
    ],
)
def test_names_are_compared_in_one_form(entry: str, name: str) -> None:
    assert certificate_name(entry) == name
    assert made(**ASKING, allow=[entry]).allow == (name,)


def test_a_password_is_not_in_the_repr() -> None:
    assert "geheim" not in repr(made(key="k", key_password="geheim"))
