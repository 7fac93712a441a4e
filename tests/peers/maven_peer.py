"""Programs in Java, built once from a folder with a `pom.xml` and started from its classpath."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.peers.tools import building, require_tool


def classpath(folder: Path) -> str:
    """Run Maven once for a fresh clone or changed sources; return what `java -cp` needs."""
    built = folder / "target/classpath.txt"
    sources = [folder / "pom.xml", *folder.glob("src/**/*.java")]
    with building(folder):
        if not built.exists() or any(s.stat().st_mtime > built.stat().st_mtime for s in sources):
            _compile(folder)
            built.touch()
    return f"{folder / 'target/classes'}:{built.read_text()}"


def _compile(folder: Path) -> None:
    run = subprocess.run(
        [require_tool("mvn"), "-q", "-B", "compile"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"mvn compile failed:\n{run.stdout}{run.stderr}"
