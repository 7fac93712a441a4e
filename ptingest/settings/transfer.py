"""Validated settings as bytes, for another process of ours; secrets are included."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from pydantic import BaseModel, SecretStr

from ptingest.settings.profile import ProfileSettings

Model = TypeVar("Model", bound=BaseModel)


def pack_profile(profile: ProfileSettings) -> bytes:
    """Encode a validated profile."""
    return pack_settings(profile)


def unpack_profile(packed: bytes) -> ProfileSettings:
    """Decode an encoded profile and validate it once more."""
    return unpack_settings(packed, ProfileSettings)


def pack_settings(settings: BaseModel) -> bytes:
    """Encode validated settings."""
    return msgspec.msgpack.encode(settings.model_dump(), enc_hook=_plain)


def unpack_settings(packed: bytes, model: type[Model]) -> Model:
    """Decode encoded settings and validate them once more."""
    return model.model_validate(msgspec.msgpack.decode(packed))


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    # How msgspec wants a hook to refuse a type.
    raise NotImplementedError(f"a setting of type {type(value).__name__}")
