"""The console's seams are connected."""

from __future__ import annotations

from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.runtime.looking import console_seams
from ptingest.settings.load import load_profile


def test_what_is_tried_goes_through_the_pipeline_in_force() -> None:
    pipeline = compile_profile(load_profile(packaged_profile_path(), {}))

    seams = console_seams(pipeline=lambda: pipeline)

    assert seams.trial is not None
    assert seams.trial.services() == pipeline.services
