"""What the program says of itself, on standard error."""

from __future__ import annotations

from typing import Literal

from ptingest.settings.strict import StrictSettings


class LogSettings(StrictSettings):
    """Never a line for each event, never a secret."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    """``json`` prints one object a line with ECS names."""
