"""Options that commands share, spelled once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptingest.model.advice import naming_config

if TYPE_CHECKING:
    from pydantic import SecretStr, ValidationError

    from ptingest.settings.api import ApiSettings
    from ptingest.settings.server import ServerSettings

CONFIG_VARIABLE = "PTINGEST_CONFIG"
USUAL_CONFIG = Path("/etc/ptingest/ptingest.yaml")
_META = "ptingest.config"
"""Where the contexts of a command and its groups keep the config that is used."""


def unnamed_config() -> Path | None:
    """Return the config of a command without ``--config``; None: every setting its default.

    An empty variable means no config, also where the usual file is there.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named is not None:
        return Path(named) if named else None
    try:
        USUAL_CONFIG.stat()
    except PermissionError:
        return USUAL_CONFIG  # defaults would look for the data in another place; reading it tells
    except OSError:
        return None
    return USUAL_CONFIG


def _default() -> Path | None:
    """Return the config given before the command's name, else the one without a name."""
    context = click.get_current_context()
    return context.meta.get(_META) or unnamed_config()


def _keep(context: click.Context, _: click.Parameter, config: Path | None) -> Path | None:
    context.meta[_META] = config
    return config


config_option = click.option(
    "--config",
    "config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=_default,
    callback=_keep,
    help=f"Config file. Without it: {CONFIG_VARIABLE}, else {USUAL_CONFIG}, else every setting "
    "has its default.",
)
"""Gives a command its ``config: Path | None``. That the file exists is for `load_server`
to find out, so that a missing file is an invalid config (3) and not a usage error (2)."""


TOKEN_VARIABLE = "PTINGEST_TOKEN"
TOKEN_BYTES = 1 << 12
"""A longer file is not one with a token."""

address_option = click.option(
    "--address",
    metavar="HOST:PORT",
    help="Address of the server, instead of the config's api.listen.",
)
token_option = click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"File with the server's api.token. Without it: {TOKEN_VARIABLE}, else the config's.",
)
"""For commands that ask a running server; there is no option for the token itself, since every
user of the host can read the options of a process."""


def api_of(settings: ServerSettings, address: str | None, token_file: Path | None) -> ApiSettings:
    """Where and with which token to ask a running server: as configured, or as given beside.

    Raises:
        RequestInvalid: ``address`` is not HOST:PORT.
        click.UsageError: the token cannot be used.
    """
    changed: dict[str, object] = {}
    if address is not None:
        from ptingest.api.client import host_and_port

        host_and_port(address)
        changed["listen"] = address
    if (token := _token_beside(token_file)) is not None:
        where = TOKEN_VARIABLE if token_file is None else f"--token-file {token_file}"
        changed["token"] = _usable(token, where)
    return settings.api.model_copy(update=changed) if changed else settings.api


def _usable(token: str, where: str) -> SecretStr:
    from pydantic import ValidationError

    from ptingest.settings.api import ApiSettings

    try:
        named = ApiSettings.model_validate({"token": token}).token
    except ValidationError as error:
        raise click.UsageError(
            f"the token of {where} cannot be used: {why_refused(error)}"
        ) from None
    assert named is not None
    return named


def why_refused(error: ValidationError) -> str:
    """Return our own sentence on the first value of an option that settings refuse."""
    return error.errors()[0]["msg"].removeprefix("Value error, ")


def _token_beside(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        with file.open("rb") as opened:
            return opened.read(TOKEN_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        raise click.UsageError(
            f"--token-file {file} cannot be read: {error.strerror or error}"
        ) from error


def load_settings(config: Path | None) -> ServerSettings:
    """Load the settings a command was asked to use, variables from the environment.

    Raises:
        ConfigInvalid: do not catch it; `ptingest.cli.main` prints it and exits with 3.
    """
    from ptingest.server.config_file import read_settings

    return read_settings(config, os.environ)


def config_to_name(config: Path | None) -> str | None:
    """Return the path that a command needs to find this config; None: it finds it unnamed."""
    return None if config is None or config == unnamed_config() else str(config)


def copyable(text: str, context: click.Context | None = None) -> str:
    """Return advice whose commands name the config of the command that runs."""
    context = context or click.get_current_context(silent=True)
    config = None if context is None else context.meta.get(_META)
    return naming_config(text, config_to_name(config))
