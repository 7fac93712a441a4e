"""The HTTP port's settings: a token that can be a token."""

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

    with pytest.raises(ConfigInvalid, match=r"everybody would know it|cannot travel") as raised:
        load_server(config, {"TOKEN": token})

    assert not token or token not in str(raised.value)
