"""Programs in Java, built once from a folder with a `pom.xml` and started from its classpath."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.peers.tools import building, require_tool


def classpath(
    folder: Path, *options: str, target: str = "target", java_home: Path | None = None
) -> str:
    """Run Maven once for a fresh clone or changed sources; return what `java -cp` needs.

    ``options`` are of Maven; with them the pom writes to a ``target`` of their own.
    """
    place = folder / target
    built = place / "classpath.txt"
    sources = [folder / "pom.xml", *folder.glob("src/**/*.java")]
    with building(folder):
        if not built.exists() or any(s.stat().st_mtime > built.stat().st_mtime for s in sources):
            _compile(folder, options, java_home)
            built.touch()
    return f"{place / 'classes'}:{built.read_text()}"


def _compile(folder: Path, options: tuple[str, ...], java_home: Path | None) -> None:
    java = {"JAVA_HOME": str(java_home)} if java_home else {}
    run = subprocess.run(
        [require_tool("mvn"), "-q", "-B", "compile", *options], env={**os.environ, **java},
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"mvn compile failed:\n{run.stdout}{run.stderr}"
