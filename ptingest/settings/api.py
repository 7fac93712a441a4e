"""The HTTP port for health, metrics and status."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ptingest.settings.strict import StrictSettings


class ApiSettings(StrictSettings):
    """Loopback by default: `/status` tells much about the host."""

    listen: Annotated[str, Field(pattern=r"^.+:\d{1,5}$")] = "127.0.0.1:9600"
    """``host:port``; port 0 picks a free one."""
