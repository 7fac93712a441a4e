"""`ptingest probe`: ask a running server whether it is well; made for containers.

The standard library's HTTP client, nothing else: a health check runs every few seconds and
must cost next to nothing.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptingest.api.client import redirected
from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, load_settings

if TYPE_CHECKING:
    from pydantic import SecretStr

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""A server that listens on all addresses is asked on loopback."""
ANSWER_BYTES = 1 << 16


@click.command(epilog="Example: ptingest probe --config ptingest.yaml --live")
@config_option
@click.option(
    "--address", metavar="HOST:PORT", help="Ask here instead of at the config's api.listen."
)
@click.option(
    "--live", is_flag=True, help="Only whether it lives; without it, whether it is ready."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds to wait for the answer.",
)
def probe(config: Path | None, address: str | None, live: bool, timeout: float) -> ExitCode:
    """Ask a running server whether it is ready for Beats, or at least alive.

    Exit codes: 0 it is, 4 it is not or nobody answers; the reasons are printed.
    """
    api = load_settings(config).api
    host, port = where_to_ask(address or api.listen)
    path = "/livez" if live else "/readyz"
    connection = connect(host, port, timeout, is_tls=api.tls is not None)
    try:
        answer, body = _ask(connection, path, api.token)
    except (OSError, http.client.HTTPException) as error:
        click.echo(f"nobody answers at {host}:{port}: {error or type(error).__name__}", err=True)
        return ExitCode.NOT_REACHABLE
    if answer.status == 200:
        click.echo("live" if live else "ready")
        return ExitCode.DONE
    said = redirected(answer, connection, path) or f"{host}:{port}{path} answers {answer.status}"
    for reason in _reasons(body) or [said]:
        click.echo(reason, err=True)
    return ExitCode.NOT_REACHABLE


def where_to_ask(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise click.UsageError(f"{address!r} is no HOST:PORT to ask; name one with --address")
    host = host.strip("[]")
    return ANYWHERE.get(host, host), int(port)


def connect(host: str, port: int, timeout: float, *, is_tls: bool) -> http.client.HTTPConnection:
    if not is_tls:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    import ssl

    # The certificate names a host that Beats and people know, hardly ever 127.0.0.1; whether
    # it is valid is for `check` and for those who connect from outside.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def _ask(
    connection: http.client.HTTPConnection, path: str, token: SecretStr | None
) -> tuple[http.client.HTTPResponse, bytes]:
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read(ANSWER_BYTES)
    finally:
        connection.close()


def _reasons(body: bytes) -> list[str]:
    try:
        answer = json.loads(body)
    except ValueError:  # something else answers on that port
        return []
    reasons = answer.get("reasons") if isinstance(answer, dict) else None
    return [str(reason) for reason in reasons] if isinstance(reasons, list) else []
