"""The shipped profile, as settings and compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.profile import ProfileSettings

SHIPPED = Path(__file__).parents[2] / "config" / "pt.yaml"


def shipped_profile(**changes: Any) -> ProfileSettings:
    """The shipped profile with some top-level settings changed."""
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    return ProfileSettings.model_validate(raw | changes)


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return compile_profile(shipped_profile())
