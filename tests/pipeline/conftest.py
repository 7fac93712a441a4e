"""The shipped profile, compiled."""

from __future__ import annotations

import pytest

from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from tests.support.profile import shipped_profile


@pytest.fixture(scope="session")
def pipeline() -> ProfilePipeline:
    return compile_profile(shipped_profile())
