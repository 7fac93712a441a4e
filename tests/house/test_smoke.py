"""The wheel, installed where nothing of ours is but what it declares it needs.

A fresh environment gets the wheel and links to exactly the distributions its metadata asks
for, markers and extras included; no index is asked. What is missing in the wheel, or in
its dependencies, fails here and not at a user's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ptingest.tools.files import FILES, PROGRAM_IN_UNIT
from tests.support.modules import PACKAGE, ROOT

LINE = b"INFO|apps.parcels.views|2025-01-02T03:04:05Z|hello\n"

IMPORT_ALL = """
import importlib, pkgutil, ptingest
for module in pkgutil.walk_packages(ptingest.__path__, "ptingest."):
    importlib.import_module(module.name)
from ptingest.kql.parser import parse
parse("service: django")  # reads the packaged grammar
print(ptingest.__file__)
"""


def call(*command: str | Path, folder: Path, given: bytes = b"") -> str:
    """Run a command that must succeed, with nothing of this process's Python settings."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [str(part) for part in command],
        input=given,
        capture_output=True,
        cwd=folder,
        env=environ,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the installed `ptingest` lies."""
    home = tmp_path_factory.mktemp("installed")
    call(sys.executable, "-m", "venv", "--without-pip", home, folder=home)
    python = home / "bin" / "python"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "--disable-pip-version-check",
    ]
    call(*pip, "install", "-q", "--no-deps", "--no-index", "--no-compile", wheel, folder=home)
    (packages,) = home.glob("lib/python*/site-packages")
    for needed in closure(requirements(wheel)):
        link(needed, packages)
    return python.parent


def requirements(wheel: Path) -> list[Requirement]:
    """What the wheel's own metadata asks for."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        lines = archive.read(name).decode().splitlines()
    opening = "Requires-Dist: "
    return [Requirement(line.removeprefix(opening)) for line in lines if line.startswith(opening)]


def closure(wanted: list[Requirement]) -> Iterator[Distribution]:
    """Every distribution that an installer would bring for ``wanted``."""
    waiting, seen = list(wanted), set[tuple[str, frozenset[str]]]()
    while waiting:
        one = waiting.pop()
        key = (one.name.lower(), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        found = distribution(one.name)
        yield found
        inner = [Requirement(text) for text in found.requires or ()]
        waiting += [r for r in inner if applies(r, one.extras)]


def applies(requirement: Requirement, extras: set[str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""}))


def link(needed: Distribution, packages: Path) -> None:
    """Make one distribution importable, and nothing that lies beside it."""
    for top in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
        target = packages / top
        if not target.exists():
            target.symlink_to(Path(str(needed.locate_file(top))))


def test_the_wheel_holds_what_the_package_needs_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        packaged = archive.read("ptingest/pipeline/pt.yaml")

    sources = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert sources - names == set()
    assert packaged == (ROOT / "config" / "pt.yaml").read_bytes()
    assert sent_by_setup(wheel) == sent_by_hand()
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def sent_by_setup(wheel: Path) -> dict[str, bytes]:
    """What `ptingest setup` sends once installed."""
    opening = "ptingest/tools/setup/assets/"
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(opening)]
        return {name.removeprefix(opening): archive.read(name) for name in names}


def sent_by_hand() -> dict[str, bytes]:
    """What people find in deploy/."""
    return {
        path.relative_to(ROOT / "deploy").as_posix(): path.read_bytes()
        for folder in ("elasticsearch", "kibana")
        for path in (ROOT / "deploy" / folder).iterdir()
    }


@pytest.mark.timeout(30)
def test_every_module_can_be_imported_without_dev_dependencies(
    bin_folder: Path, tmp_path: Path
) -> None:
    said = call(bin_folder / "python", "-c", IMPORT_ALL, folder=tmp_path)

    assert str(bin_folder.parent) in said


def test_the_installed_command_knows_its_version(bin_folder: Path, tmp_path: Path) -> None:
    said = call(bin_folder / "ptingest", "--version", folder=tmp_path)

    assert said.startswith("ptingest ")
    assert f'version = "{said.split()[1]}"' in (ROOT / "pyproject.toml").read_text()


def test_the_installed_command_checks_its_packaged_profile(
    bin_folder: Path, tmp_path: Path
) -> None:
    said = call(bin_folder / "ptingest", "check", folder=tmp_path)

    assert "The config is valid." in said


def test_the_installed_command_knows_what_to_send(bin_folder: Path, tmp_path: Path) -> None:
    command = (bin_folder / "ptingest", "setup", "--dry-run", "--kibana", "http://127.0.0.1:9")

    said = call(*command, folder=tmp_path)

    assert "PUT /_index_template/pt-logs" in said
    assert "[PT] Overview" in said


def test_the_installed_command_tries_a_line(bin_folder: Path, tmp_path: Path) -> None:
    command = (bin_folder / "ptingest", "try", "--service", "django", "--json")

    said = call(*command, folder=tmp_path, given=LINE)

    assert said.startswith('{"outcome":"indexed","reason":null,"data_stream":"logs-django-pt",')


def test_the_installed_command_has_every_file_for_operators(
    bin_folder: Path, tmp_path: Path
) -> None:
    call(bin_folder / "ptingest", "files", "--to", tmp_path, folder=tmp_path)

    for file in FILES:
        text = (tmp_path / file.name).read_text(encoding="utf-8")
        here = (ROOT / file.source).read_text(encoding="utf-8")
        assert text == here.replace(PROGRAM_IN_UNIT, str(bin_folder / "ptingest"))
