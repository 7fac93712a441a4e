"""Settings from a config file, which is a ``ptingest.yaml`` or a ``logstash.conf``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ptingest.settings.load import load_server

if TYPE_CHECKING:
    from ptingest.settings.server import ServerSettings


def read_settings(path: Path | None, environ: Mapping[str, str]) -> ServerSettings:
    """Return the settings in the file, or the defaults without one.

    Raises:
        ConfigInvalid: with one problem for each fault; nothing was started.
    """
    from ptingest.settings.logstash import is_logstash_config

    if path is None or not is_logstash_config(path):
        return load_server(path, environ)
    from ptingest.server.logstash_settings import settings_of

    return settings_of(path, environ)
