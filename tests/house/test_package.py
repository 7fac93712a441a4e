"""What is published, and what a checkout installs: bounds, versions, contents, targets."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.support.modules import ROOT

UPPER = {"<", "<=", "==", "~="}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def makefile() -> dict[str, str]:
    """What each target needs first, by its name."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w$()/.]+): *([^#\n]*?) *(?:##.*)?$", text, re.MULTILINE))


def needed(project: dict[str, Any]) -> list[Requirement]:
    """What the package needs, and what its extras do."""
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for texts in (project["dependencies"], *extras) for text in texts]


def test_every_dependency_has_an_upper_bound(project: dict[str, Any]) -> None:
    open_ended = [
        one.name for one in needed(project) if not UPPER & {s.operator for s in one.specifier}
    ]

    assert open_ended == []


def test_the_pinned_versions_are_within_the_bounds(project: dict[str, Any]) -> None:
    files = (ROOT / folder / "requirements.txt" for folder in ("tests", "deploy"))
    pins = "".join(file.read_text(encoding="utf-8").lower() for file in files)
    pinned = dict(line.split("==") for line in pins.replace("_", "-").splitlines())

    outside = [
        one.name for one in needed(project) if not one.specifier.contains(pinned[one.name.lower()])
    ]

    assert outside == []


def test_the_workflow_runs_what_ci_runs_on_each_version_that_is_claimed(
    project: dict[str, Any],
) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text())
    job = workflow["jobs"]["check"]

    claimed = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))

    assert job["strategy"]["matrix"]["python"] == claimed
    assert job["steps"][-1]["run"] == ".ci/run"
    assert project["requires-python"] == f">={claimed[0]}"


def test_the_summary_says_whose_place_it_takes(project: dict[str, Any]) -> None:
    assert project["description"].startswith("Takes Logstash's place")


@pytest.mark.parametrize("target", ["demo", "run", "docs", "build"])
def test_what_needs_no_tests_installs_no_tools_of_theirs(
    makefile: dict[str, str], target: str
) -> None:
    assert makefile[target] == "runtime"
    assert "tests/requirements.txt" not in makefile["$(VENV)/.runtime"]


def test_the_source_distribution_holds_the_package_and_its_data_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        tops = {name.split("/")[1] for name in archive.getnames()}

    assert tops - {".gitignore"} == {
        *("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
        *("LICENSE", "PKG-INFO", "README.md", "pyproject.toml"),
        *("config", "deploy", "docs", "ptingest"),
    }
    assert built.stat().st_size < 1_200_000


@pytest.mark.parametrize(("version", "is_taken"), [("3, 9, 2", False), ("3, 11, 0", True)])
def test_a_wrong_python_is_told_in_one_line_before_anything_is_installed(
    tmp_path: Path, version: str, is_taken: bool
) -> None:
    python, called = tmp_path / "python", tmp_path / "called"
    python.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -c ] || {{ echo "$@" > {called}; exit 1; }}\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = ({version}); '
        "sys.version = '{0}.{1}.{2} x'.format(*sys.version_info); "
        'exec(sys.argv[1])" "$2"\n'
    )
    python.chmod(0o755)

    done = subprocess.run(
        ["make", "runtime", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert called.exists() is is_taken
    line = done.stderr.splitlines()[0] if done.stderr else ""
    assert line.startswith("ptingest needs Python 3.11 or newer, ") is not is_taken
