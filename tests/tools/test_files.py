"""Files for operators that travel with the program."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ptingest.tools.files import FILES, PROGRAM_IN_UNIT, ShippedFile, find_file, read_file
from tests.support.modules import ROOT


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_is_the_one_of_the_source_tree(file: ShippedFile) -> None:
    assert read_file(file) == (ROOT / file.source).read_text(encoding="utf-8")


def test_every_file_is_put_into_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    wanted = {file.source: f"ptingest/tools/shipped/{file.name}" for file in FILES}
    wanted["config/patterns.yaml"] = "ptingest/settings/patterns.yaml"
    wanted["config/pt.yaml"] = "ptingest/pipeline/pt.yaml"  # where the server reads it

    assert wanted.items() <= included.items()


def test_the_unit_starts_the_program_that_it_is_given() -> None:
    unit = find_file("ptingest.service")
    assert unit is not None

    text = read_file(unit, program=Path("/srv/venv/bin/ptingest"))

    assert f"ExecStart={PROGRAM_IN_UNIT} " in read_file(unit)
    assert "ExecStart=/srv/venv/bin/ptingest serve" in text


def test_there_is_no_file_of_another_name() -> None:
    assert find_file("../../etc/passwd") is None
