"""Which interpreters are taken for the versions that the package claims."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.pythons.interpreters import choose, claimed, version_of

NEW, OLD, OTHER = Path("/new"), Path("/old"), Path("/other")


def test_classifiers_name_the_versions() -> None:
    given = ["Programming Language :: Python :: 3", "Programming Language :: Python :: 3.11"]

    assert claimed([*given, "Topic :: System :: Logging"]) == ["3.11"]


def test_the_first_one_found_is_taken_and_what_is_missing_is_told() -> None:
    found = {NEW: (3, 14, 0), OTHER: (3, 14, 6), OLD: (3, 11, 7)}

    assert choose(["3.11", "3.12", "3.14"], found) == {"3.11": OLD, "3.12": None, "3.14": NEW}


def test_an_interpreter_says_its_version() -> None:
    assert version_of(Path(sys.executable)) == sys.version_info[:3]


def test_what_is_no_python_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "python3.14").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3.14").chmod(0o755)

    assert version_of(tmp_path / "python3.14") == ()
    assert version_of(tmp_path / "nothing") == ()
