"""What the program says of itself, on standard error."""

from __future__ import annotations

from typing import Literal

from ptingest.settings.strict import StrictSettings


class LogSettings(StrictSettings):
    """The log on standard error. It never has a line for each event, and never a secret."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is written: ``error`` means that data is at risk, ``warning`` that
    it should be looked at soon, ``info`` that a state changed."""
    format: Literal["console", "json"] = "console"
    """``json`` writes one object a line with ECS names."""
