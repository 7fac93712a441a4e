"""Patterns that come with the package, for a profile to switch on by name.

``config/patterns.yaml`` holds them: in the package once installed, else in the source tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ptingest.settings.parse import parse, read_text


def packaged_patterns_path() -> Path:
    """Path of the file."""
    installed = Path(__file__).with_name("patterns.yaml")
    if installed.exists():
        return installed
    return Path(__file__).parents[2] / "config" / "patterns.yaml"


@cache
def packaged_patterns() -> Mapping[str, Mapping[str, Any]]:
    """Return name -> pattern as it is written in a profile."""
    path = packaged_patterns_path()
    root = parse(read_text(path, shown=str(path)), file=str(path)).root
    return {row["name"]: row for row in root["patterns"]}


def by_name(value: Any) -> Any:
    """Return the packaged pattern where ``value`` is a name, else ``value`` itself.

    Raises:
        ValueError: there is no packaged pattern of this name.
    """
    if not isinstance(value, str):
        return value
    found = packaged_patterns().get(value)
    if found is None:
        known = ", ".join(packaged_patterns())
        raise ValueError(f"pattern {value!r} is not packaged; packaged are {known}")
    return dict(found)
