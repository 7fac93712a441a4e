"""Where things lie, and the package's source as the house tests look at it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ptingest"
TESTS = ROOT / "tests"
DEPLOY = ROOT / "deploy"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    """Every module of the package, relative to it."""
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


@cache
def tree(module: Path) -> ast.Module:
    """The syntax of one module."""
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def functions(syntax: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function and method with its dotted name, nested ones included."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield f"{prefix}{child.name}", child
            if isinstance(child, Function | ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(syntax, "")


def is_seam(function: Function) -> bool:
    """Say whether a function only names what others must do (``...``, or a docstring)."""
    return all(
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        for statement in function.body
    )
