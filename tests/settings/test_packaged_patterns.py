"""Patterns that a profile switches on by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.pipeline.compile import run_samples
from ptingest.settings.load import load_profile
from ptingest.settings.packaged_patterns import by_name, packaged_patterns

PROFILE = """
groups:
  - group: pt
    data_stream: {namespace: pt}
    patterns: [%s]
"""


def written(folder: Path, patterns: str) -> Path:
    path = folder / "pt.yaml"
    path.write_text(PROFILE % patterns)
    return path


def test_names_alone_make_the_patterns_with_their_samples_and_formats(tmp_path: Path) -> None:
    profile = load_profile(written(tmp_path, ", ".join(packaged_patterns())), {})
    (group,) = profile.groups

    assert [pattern.name for pattern in group.patterns] == ["nginx_access", "nginx_error", "react"]
    assert all(pattern.samples for pattern in group.patterns)
    assert run_samples(profile) == []
    assert group.times.formats == ("ISO8601", "%d/%b/%Y:%H:%M:%S %z", "%Y/%m/%d %H:%M:%S")
    assert group.time.formats == ("ISO8601",)


def test_an_unknown_name_is_an_error_with_its_line_and_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load_profile(written(tmp_path, "nginx_acces"), {})

    said = str(refused.value)
    assert f"{tmp_path}/pt.yaml:5" in said
    assert "packaged are nginx_access, nginx_error, react" in said


def test_what_is_no_name_is_left_as_it_is() -> None:
    row = {"name": "x", "regex": "(?P<a>b)"}

    assert by_name(row) is row
