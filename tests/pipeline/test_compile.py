from __future__ import annotations

import yaml

from ptingest.pipeline.compile import compile_profile, packaged_profile_path, run_samples
from ptingest.settings.profile import ProfileSettings
from tests.support.profile import shipped_profile


def with_sample(line: str, fields: dict[str, str] | None) -> ProfileSettings:
    groups = shipped_profile().model_dump(exclude_none=True)["groups"]
    groups[0]["patterns"][0]["samples"] = [{"line": line, "fields": fields}]
    return shipped_profile(groups=groups)


def test_the_packaged_profile_compiles_and_its_samples_hold() -> None:
    text = packaged_profile_path().read_text(encoding="utf-8")

    profile = ProfileSettings.model_validate(yaml.safe_load(text))

    assert run_samples(profile) == []
    assert compile_profile(profile).services == (
        "django", "celery", "celerybeat", "flower", "nginx", "react"
    )  # fmt: skip


def test_every_shipped_pattern_has_a_sample() -> None:
    assert all(pattern.samples for group in shipped_profile().groups for pattern in group.patterns)


def test_a_sample_with_another_field_is_told_with_both_values() -> None:
    line = "INFO|root|2025-01-02T03:04:05.678|x"

    (problem,) = run_samples(with_sample(line, {"log_level": "DEBUG"}))

    assert problem.startswith("groups.0.patterns.dotted_milliseconds.samples.0: ")
    assert "log_level is 'INFO', expected 'DEBUG'" in problem
    assert "log_ms is '678', expected None" in problem


def test_a_sample_that_does_not_fit_is_told() -> None:
    (problem,) = run_samples(with_sample("nope", {"log_level": "INFO"}))

    assert "'nope' does not fit the pattern" in problem


def test_a_sample_that_must_not_fit_and_does_is_told() -> None:
    (problem,) = run_samples(with_sample("INFO|root|2025-01-02T03:04:05.678|x", None))

    assert "must not fit and does" in problem
    assert run_samples(with_sample("nope", None)) == []
