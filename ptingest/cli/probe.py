"""`ptingest probe`: ask a running server whether it is ready; for health checks of containers.

The standard library's HTTP client, nothing else: a health check runs every few seconds and
must cost next to nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from ptingest.api.client import ServerClient
from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import (
    address_option,
    api_of,
    config_option,
    load_settings,
    token_option,
)
from ptingest.errors import ServerUnreachable

MOST_BYTES = 1 << 16
"""Of an answer: some reasons, a line each."""


@click.command(epilog="Example: ptingest probe --config ptingest.yaml --live")
@config_option
@address_option
@token_option
@click.option(
    "--live", is_flag=True, help="Ask only whether the server is alive, not whether it is ready."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds to wait for the answer.",
)
def probe(
    config: Path | None,
    address: str | None,
    token_file: Path | None,
    live: bool,
    timeout: float,
) -> ExitCode:
    """Ask a running server whether it is ready for Beats.

    Exit codes: 0 it is, 4 it is not or does not answer; the reasons are printed.
    """
    api = api_of(load_settings(config), address, token_file)
    path = "/livez" if live else "/readyz"
    client = ServerClient(api, seconds=timeout)
    try:
        with client:
            status, body = client.fetch("GET", path, most=MOST_BYTES)
    except ServerUnreachable as error:
        click.echo(str(error), err=True)
        return ExitCode.NOT_REACHABLE
    if status == 200:
        click.echo("live" if live else "ready")
        return ExitCode.DONE
    for reason in _reasons(body) or [f"{client.where}{path} answers {status}"]:
        click.echo(reason, err=True)
    return ExitCode.NOT_REACHABLE


def _reasons(body: bytes) -> list[str]:
    try:
        answer = json.loads(body)
    except ValueError:  # something else answers on that port
        return []
    reasons = answer.get("reasons") if isinstance(answer, dict) else None
    return [str(reason) for reason in reasons] if isinstance(reasons, list) else []
