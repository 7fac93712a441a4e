"""The tests mirror the code: whoever looks for one finds the other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.modules import PACKAGE, TESTS, functions, is_seam, modules, tree

APART = {
    "benchmarks", "browser", "deploy", "fakes", "flow", "fuzz", "house", "image",
    "peers", "pythons", "support", "torture", "wire",
}  # fmt: skip
"""Folders of tests that belong to no single module; see design: tests/."""

BESIDE_A_MODULE = {
    "pipeline/logstash/filters/test_any_value.py": "what holds of all filters, for any event",
    "pipeline/test_growth.py": "the cost of an event through the pipeline as a whole, by its size",
    "pipeline/logstash/test_parity.py": "what recorded rows hold the room to as a whole",
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
    assert [path for path in BESIDE_A_MODULE if not (TESTS / path).is_file()] == []


@pytest.mark.parametrize("folder", ["ptingest", "tests"])
def test_package_files_are_empty(folder: str) -> None:
    speaking = [
        path.relative_to(TESTS.parent).as_posix()
        for path in (TESTS.parent / folder).rglob("__init__.py")
        if path.read_text(encoding="utf-8").strip()
    ]

    assert speaking == [], "an __init__.py with code is work at import time"


def test_every_package_has_modules() -> None:
    empty = [
        folder.relative_to(PACKAGE.parent).as_posix()
        for folder in (path.parent for path in PACKAGE.rglob("__init__.py"))
        if all(path.name == "__init__.py" for path in folder.rglob("*.py"))
    ]

    assert empty == [], "remove the folder: nothing is left in it"


SHARED = {"support", "fakes", "peers", "wire"}
"""Folders of tests that others may import from."""
REUSES = {
    "fuzz": "what must hold of any bytes is drawn and checked as each room's own tests do it",
    "image": "a container is judged by the oracle of the torture, as a process is",
}
"""Folders that may import from any other, and why."""


def strangers(path: Path) -> list[str]:
    """What a test file imports from another folder of tests that is not made for it."""
    folder = path.relative_to(TESTS).parts[0]
    imported = (
        node.module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tests.")
    )
    return [name for name in imported if name.split(".")[1] not in SHARED | {folder}]


def test_folders_of_tests_share_only_what_lies_in_support() -> None:
    found = {
        path.relative_to(TESTS.parent).as_posix(): names
        for path in TESTS.rglob("*.py")
        if path.relative_to(TESTS).parts[0] not in REUSES and (names := strangers(path))
    }

    assert found == {}, "move it to tests/support"
