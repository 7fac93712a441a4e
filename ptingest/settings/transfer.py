"""Validated settings as bytes, for another process of ours; secrets travel whole."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from pydantic import BaseModel, SecretStr

from ptingest.settings.profile import ProfileSettings

Model = TypeVar("Model", bound=BaseModel)


def pack_profile(profile: ProfileSettings) -> bytes:
    """Put a validated profile into bytes."""
    return pack_settings(profile)


def unpack_profile(packed: bytes) -> ProfileSettings:
    """Return what was packed, validated once more."""
    return unpack_settings(packed, ProfileSettings)


def pack_settings(settings: BaseModel) -> bytes:
    """Put validated settings into bytes."""
    return msgspec.msgpack.encode(settings.model_dump(), enc_hook=_plain)


def unpack_settings(packed: bytes, model: type[Model]) -> Model:
    """Return what was packed, validated once more."""
    return model.model_validate(msgspec.msgpack.decode(packed))


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    raise NotImplementedError(f"a setting of type {type(value).__name__}")
