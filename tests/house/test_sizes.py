"""Modules and functions stay small enough to be read at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.modules import PACKAGE, Function, functions, modules, tree

MODULE_LINES = 500
FUNCTION_LINES = 40
"""Without the docstring: a claim may be as long as it needs to be."""

LONGER = {
    "pipeline/fast/documents.py: FastPath._make": "holds the next one, which closes over it",
    "pipeline/fast/documents.py: FastPath._make.make": "hot: each call would cost every event",
    "pipeline/fast/lines.py: LineReader._make_reader": "holds the hot reader, which closes over it",
}
"""Functions that may be longer, and why."""

FORBIDDEN_NAMES = {"util", "utils", "helpers", "helper", "common", "base", "misc"}


def lines_of(function: Function) -> int:
    """Lines from ``def`` to the end, docstring not counted."""
    assert function.end_lineno is not None
    count = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None and first.end_lineno is not None:
        count -= first.end_lineno - first.lineno + 1
    return count


def long_functions(module: Path) -> dict[str, int]:
    return {
        f"{module}: {name}": lines_of(function)
        for name, function in functions(tree(module))
        if lines_of(function) > FUNCTION_LINES
    }


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_has_at_most_500_lines(module: Path) -> None:
    lines = len((PACKAGE / module).read_text(encoding="utf-8").splitlines())

    assert lines <= MODULE_LINES, f"ptingest/{module} has {lines} lines; split it by noun"


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_function_has_at_most_40_lines(module: Path) -> None:
    too_long = {name: n for name, n in long_functions(module).items() if name not in LONGER}

    assert too_long == {}, "split what it does from what it decides"


def test_every_exception_is_still_needed() -> None:
    long = {name for module in modules() for name in long_functions(module)}

    assert set(LONGER) - long == set()


def test_no_module_is_named_after_nothing() -> None:
    nameless = [str(path) for path in modules() if FORBIDDEN_NAMES & {path.stem, *path.parts}]

    assert nameless == []
