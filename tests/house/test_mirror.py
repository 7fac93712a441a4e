"""The tests mirror the code: whoever looks for one finds the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.modules import TESTS, functions, is_seam, modules, tree

APART = {
    "benchmarks", "browser", "deploy", "fakes", "flow", "fuzz", "house", "peers", "torture", "wire",
}  # fmt: skip
"""Folders of tests that belong to no single module; see design: tests/."""

BESIDE_A_MODULE = {
    "pipeline/test_parity.py": "recorded documents against the pipeline as a whole",
    "pipeline/test_growth.py": "the cost of an event through the pipeline as a whole, by its size",
}
"""Test files in a mirrored folder that have no module, and why."""


def has_code(module: Path) -> bool:
    """Say whether a module does anything: settings models and seams alone do not."""
    return any(not is_seam(function) for _, function in functions(tree(module)))


def mirrored(module: Path) -> Path:
    """Where the tests of a module belong."""
    return module.with_name(f"test_{module.name}")


@pytest.mark.parametrize("module", [path for path in modules() if has_code(path)], ids=str)
def test_every_module_with_code_has_its_test_file(module: Path) -> None:
    wanted = mirrored(module)

    assert (TESTS / wanted).is_file(), f"ptingest/{module} has no tests/{wanted}"


def test_every_test_file_has_its_module() -> None:
    known = {mirrored(module) for module in modules()}

    strays = [
        f"tests/{path}"
        for path in (path.relative_to(TESTS) for path in TESTS.rglob("test_*.py"))
        if path.parts[0] not in APART
        and path not in known
        and path.as_posix() not in BESIDE_A_MODULE
    ]

    assert strays == [], "these test no module of the same name"


@pytest.mark.parametrize("folder", ["ptingest", "tests"])
def test_package_files_are_empty(folder: str) -> None:
    speaking = [
        path.relative_to(TESTS.parent).as_posix()
        for path in (TESTS.parent / folder).rglob("__init__.py")
        if path.read_text(encoding="utf-8").strip()
    ]

    assert speaking == [], "an __init__.py with code is work at import time"
