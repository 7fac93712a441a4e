"""The HTTP port's settings: a token must be usable in a header."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.settings.api import ApiSettings
from ptingest.settings.load import load_server


def test_a_token_is_not_in_the_repr() -> None:
    settings = ApiSettings.model_validate({"token": "geheim-99"})

    assert settings.token is not None
    assert settings.token.get_secret_value() == "geheim-99"
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize("token", ["", "two words", "naïve-token", "line\nbreak"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(token: str, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("api: {token: '${TOKEN}'}", encoding="utf-8")

    with pytest.raises(ConfigInvalid, match=r"anyone would know it|cannot travel") as raised:
        load_server(config, {"TOKEN": token})

    assert not token or token not in str(raised.value)


def load(folder: Path, listen: str, token: str) -> ApiSettings:
    config = folder / "c.yaml"
    config.write_text(f'api: {{listen: "{listen}", token: "${{TOKEN}}"}}', encoding="utf-8")
    return load_server(config, {"TOKEN": token}).api


@pytest.mark.parametrize("listen", ["0.0.0.0:9600", "[::]:9600", "192.0.2.7:9600"])
def test_beyond_this_host_a_token_must_not_be_short(listen: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"api\.token has 15 characters") as raised:
        load(tmp_path, listen, "t" * 15)

    assert "t" * 15 not in str(raised.value)
    assert load(tmp_path, listen, "t" * 16).token is not None


def test_on_loopback_it_may_be(tmp_path: Path) -> None:
    assert load(tmp_path, "127.0.0.1:9600", "t").token is not None
