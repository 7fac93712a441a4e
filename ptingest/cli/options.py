"""Options that commands share, spelled once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ptingest.settings.server import ServerSettings

config_option = click.option(
    "--config",
    "config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=None,
    help="Config file; without it every setting has its default.",
)
"""Gives a command its ``config: Path | None``. That the file exists is for `load_server`
to find out, so that a missing file is an invalid config (3) and not a usage error (2)."""


def load_settings(config: Path | None) -> ServerSettings:
    """Load the settings a command was asked to use, variables from the environment.

    Raises:
        ConfigInvalid: do not catch it; `ptingest.cli.main` prints it and exits with 3.
    """
    from ptingest.settings.load import load_server

    return load_server(config, os.environ)
