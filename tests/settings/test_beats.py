"""The Beats port's settings: networks are networks."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ptingest.settings.beats import BeatsSettings


@pytest.mark.parametrize("network", ["10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "0.0.0.0/0"])
@pytest.mark.parametrize("setting", ["allow_from", "proxy_protocol_from"])
def test_addresses_and_networks_may_be_named(setting: str, network: str) -> None:
    settings = BeatsSettings.model_validate({setting: [network]})

    assert getattr(settings, setting) == (network,)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("10.1.0.1/16", "has host bits set"),
        ("10.1.0.0/33", "does not appear"),
        ("web-1.example", "does not appear"),
        ("", "does not appear"),
    ],
)
def test_anything_else_is_refused_with_the_cure(network: str, said: str) -> None:
    with pytest.raises(ValidationError, match=rf"{said}.*; write addresses like"):
        BeatsSettings.model_validate({"allow_from": [network]})
