"""The files of ``deploy/elasticsearch`` and ``deploy/kibana``, the only source of what is sent.

They are in the package once it is installed, else in the source tree.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import orjson


def asset_path(name: str) -> Path:
    """Return the path of ``elasticsearch/...`` or ``kibana/...``."""
    installed = Path(str(resources.files("ptingest.tools.setup"))) / "assets" / name
    if installed.exists():
        return installed
    return Path(__file__).parents[3] / "deploy" / name


def read_json(name: str) -> dict[str, Any]:
    """Return a file's one JSON object."""
    found = orjson.loads(asset_path(name).read_bytes())
    assert isinstance(found, dict)
    return found


def read_lines(name: str) -> list[dict[str, Any]]:
    """Return a file's JSON objects, one a line."""
    return [orjson.loads(line) for line in asset_path(name).read_bytes().splitlines() if line]
