"""Compiles rules to a pipeline, and checks the samples of a profile in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import overload

from ptingest.pipeline.patterns import matcher
from ptingest.pipeline.pipeline import Pipeline
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.settings.profile import PatternSample, PatternSettings, ProfileSettings
from ptingest.settings.profiles import Profile


@overload
def compile_profile(profile: ProfileSettings) -> ProfilePipeline: ...


@overload
def compile_profile(profile: Profile) -> Pipeline: ...


def compile_profile(profile: Profile) -> Pipeline:
    """Compile rules; the settings of a profile in YAML have refused what cannot be compiled.

    Raises:
        ConfigInvalid: a ``logstash.conf`` cannot be run.
    """
    if isinstance(profile, ProfileSettings):
        return ProfilePipeline(profile)
    # Its parser is needed by few.
    from ptingest.pipeline.logstash.pipeline import compile_logstash

    return compile_logstash(profile)


def packaged_profile_path() -> Path:
    """Path of the shipped profile: in the package once installed, else in the source tree."""
    installed = Path(__file__).with_name("pt.yaml")
    if installed.exists():
        return installed
    return Path(__file__).parents[2] / "config" / "pt.yaml"


def run_samples(profile: ProfileSettings) -> list[str]:
    """Run each pattern's samples; return one sentence for each sample with another result."""
    is_strict = profile.parsing == "strict"
    return [
        f"groups.{place}.patterns.{pattern.name}.samples.{number}: {problem}"
        for place, group in enumerate(profile.groups)
        for pattern in group.patterns
        for number, sample in enumerate(pattern.samples)
        if (problem := _problem(pattern, sample, is_strict=is_strict)) is not None
    ]


def _problem(pattern: PatternSettings, sample: PatternSample, *, is_strict: bool) -> str | None:
    """Check one sample against its own pattern, whatever patterns come before it in the list."""
    found = matcher(pattern, is_strict=is_strict).match(sample.line)
    if found == sample.fields:
        return None
    line = f"line {sample.line!r}"
    if found is None:
        return f"{line} does not fit the pattern; correct the line or the pattern"
    if sample.fields is None:
        return f"{line} must not fit and does; correct the line or the pattern"
    names = sorted(found.keys() | sample.fields.keys())
    wrong = [name for name in names if found.get(name) != sample.fields.get(name)]
    shown = ", ".join(
        f"{name} is {found.get(name)!r}, expected {sample.fields.get(name)!r}" for name in wrong
    )
    return f"{line} gives other fields: {shown}; correct the sample or the pattern"
