"""Settings of a server under test: free ports of loopback, data where a test can look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ptingest.settings.server import ServerSettings


def server_settings(tmp_path: Path, **keys: Any) -> ServerSettings:
    """Settings with these keys, a data directory in ``tmp_path`` and ports that are free."""
    places = {
        "data_dir": str(tmp_path / "data"),
        "beats": {"listen": "127.0.0.1:0"},
        "api": {"listen": "127.0.0.1:0"},
    }
    return ServerSettings.model_validate({**places, **keys})
