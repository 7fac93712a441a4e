from __future__ import annotations

import msgspec
import pytest
from pydantic import ValidationError

from ptingest.pipeline.compile import packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.settings.server import ServerSettings
from ptingest.settings.transfer import (
    pack_profile,
    pack_settings,
    unpack_profile,
    unpack_settings,
)


def test_a_profile_comes_out_as_it_went_in() -> None:
    profile = load_profile(packaged_profile_path(), {})

    assert unpack_profile(pack_profile(profile)) == profile


def test_secrets_travel_whole() -> None:
    settings = ServerSettings.model_validate({"api": {"token": "a-long-enough-token"}})

    again = unpack_settings(pack_settings(settings), ServerSettings)

    assert again.api.token is not None
    assert again.api.token.get_secret_value() == "a-long-enough-token"


def test_what_comes_out_is_validated() -> None:
    with pytest.raises(ValidationError):
        unpack_settings(msgspec.msgpack.encode({"workers": -1}), ServerSettings)
