"""Validated settings as bytes, for another process of ours; secrets are included."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from pydantic import BaseModel, SecretStr

from ptingest.settings.logstash import LogstashSettings
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.profiles import Profile

Model = TypeVar("Model", bound=BaseModel)


_LOGSTASH = b"L"
_YAML = b"Y"
"""The first byte of packed rules says in which language they are."""


def pack_profile(profile: Profile) -> bytes:
    """Encode validated rules."""
    language = _LOGSTASH if isinstance(profile, LogstashSettings) else _YAML
    return language + pack_settings(profile)


def unpack_profile(packed: bytes) -> Profile:
    """Decode encoded rules and validate them once more."""
    if packed.startswith(_LOGSTASH):
        return unpack_settings(packed[1:], LogstashSettings)
    return unpack_settings(packed[1:], ProfileSettings)


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
