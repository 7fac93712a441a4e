"""The HTTP port for health, metrics and status."""

from __future__ import annotations

from ptingest.settings.strict import ListenAddress, StrictSettings


class ApiSettings(StrictSettings):
    """Loopback by default: `/status` tells much about the host."""

    listen: ListenAddress = "127.0.0.1:9600"
    """``host:port``; port 0 picks a free one."""
