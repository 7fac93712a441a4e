"""The shipped profile, as settings: read from its file once."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from ptingest.settings.profile import ProfileSettings
from tests.support.modules import ROOT


@cache
def _as_written() -> dict[str, Any]:
    text = (ROOT / "config" / "pt.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.safe_load(text)
    return raw


@cache
def _as_shipped() -> ProfileSettings:
    return ProfileSettings.model_validate(_as_written())


def shipped_profile(**changes: Any) -> ProfileSettings:
    """The shipped profile with some top-level settings changed."""
    return ProfileSettings.model_validate(_as_written() | changes) if changes else _as_shipped()
