"""What modules say of themselves is what the contracts of import-linter hold them to."""

from __future__ import annotations

import ast
import re
import tomllib

from tests.support.modules import ROOT, modules, tree

PURE = re.compile(r"\bPure[.:]")


def pure_rooms() -> tuple[str, ...]:
    """The packages and modules that the contract keeps pure."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        one for one in project["tool"]["importlinter"]["contracts"] if "pure" in one["name"]
    )
    return tuple(contract["source_modules"])


def test_a_module_that_calls_itself_pure_is_kept_so() -> None:
    rooms = pure_rooms()
    pure = [
        ".".join(("ptingest", *module.with_suffix("").parts))
        for module in modules()
        if PURE.search(ast.get_docstring(tree(module)) or "")
    ]

    assert pure
    assert [name for name in pure if not f"{name}.".startswith(tuple(f"{r}." for r in rooms))] == []
