"""Which interpreter is taken for which version that the package claims."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

ASK = """
import sys
print(sys.implementation.name, *sys.version_info[:3])
"""


def version_of(python: Path) -> tuple[int, ...]:
    """The three numbers of a CPython; empty for what is none or does not run."""
    try:
        done = subprocess.run(
            [python, "-c", ASK], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    name, *numbers = done.stdout.split()
    return tuple(map(int, numbers)) if name == "cpython" else ()


def claimed(classifiers: Iterable[str]) -> list[str]:
    """The versions that a package's classifiers name, "3.11" and so on."""
    lines = "\n".join(classifiers)
    return re.findall(r"(?m)^Programming Language :: Python :: (3\.\d+)$", lines)


def choose(
    versions: Iterable[str], found: Mapping[Path, tuple[int, ...]]
) -> dict[str, Path | None]:
    """The first interpreter found of each version; None where there is none."""
    first: dict[str, Path] = {}
    for path, (major, minor, *_) in found.items():
        first.setdefault(f"{major}.{minor}", path)
    return {version: first.get(version) for version in versions}
