"""Programs in Java, built once from a folder with a `pom.xml` and started from its classpath."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.peers.tools import require_tool


def classpath(folder: Path) -> str:
    """Run Maven once for a fresh clone or changed sources; return what `java -cp` needs."""
    built = folder / "target/classpath.txt"
    sources = [folder / "pom.xml", *folder.glob("src/**/*.java")]
    if not built.exists() or any(s.stat().st_mtime > built.stat().st_mtime for s in sources):
        maven = require_tool("mvn")
        run = subprocess.run(
            [maven, "-q", "-B", "compile"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, f"mvn compile failed:\n{run.stdout}{run.stderr}"
        built.touch()
    return f"{folder / 'target/classes'}:{built.read_text()}"
