"""docs/patterns-and-services.md: every step works as it stands there.

A block `sh` is run; the block `text` after it holds lines that it must print, in this order.
A block `diff` changes pt.yaml. A block `yaml` that begins with a file's name is that file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.modules import ROOT

PAGE = ROOT / "docs" / "patterns-and-services.md"


def blocks() -> list[tuple[str, str]]:
    """Each fenced block with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def change(path: Path, diff: str) -> None:
    """Replace the lines that a diff has without `+` by those it has without `-`."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{path.name} does not hold once:\n{before}"
    path.write_text(text.replace(before, after), encoding="utf-8")


def run(script: str, folder: Path) -> list[str]:
    """What the commands print; the first that fails ends them."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=folder, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout.splitlines()


@pytest.mark.timeout(60)
def test_every_step_of_the_worked_example_works(tmp_path: Path) -> None:
    (tmp_path / "config").symlink_to(ROOT / "config")
    printed: list[str] | None = None
    steps = 0
    for language, block in blocks():
        if language == "text" and printed is not None:
            rest = iter(printed)
            missing = [line for line in block.splitlines() if line not in rest]
            assert missing == []
        if language == "diff":
            change(tmp_path / "pt.yaml", block)
        if language == "yaml" and block.startswith("# "):
            (tmp_path / block[2:].split("\n")[0]).write_text(block, encoding="utf-8")
        printed = run(block, tmp_path) if language == "sh" else None
        steps += language == "sh"

    assert steps == 7
