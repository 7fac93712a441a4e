"""Asking a running server over HTTP, as `tap` and `why` do: one request, and words for failure."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

import click

from ptingest.api.client import redirected
from ptingest.cli.probe import connect, where_to_ask
from ptingest.errors import SinkUnavailable

if TYPE_CHECKING:
    from ptingest.settings.api import ApiSettings


class Unanswered(SinkUnavailable):
    """Nobody answers there, or not us; ``cause`` says which."""

    def __init__(self, *, cause: str) -> None:
        super().__init__(sink="server", cause=cause)


class Question:
    """One request on a connection of its own."""

    def __init__(self, api: ApiSettings, address: str | None, *, seconds: float) -> None:
        host, port = where_to_ask(address or api.listen)
        self.where = f"{host}:{port}"
        self._token = api.token
        self._connection = connect(host, port, seconds, is_tls=api.tls is not None)

    def ask(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """Send it and return a 200; the connection stays open.

        Raises:
            Unanswered: nobody answers, or without wanting to.
            click.UsageError: the server says that the question makes no sense.
        """
        import orjson

        headers = {}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", orjson.dumps(body)
        try:
            self._connection.request(method, path, body=data, headers=headers)
            answer = self._connection.getresponse()
            if answer.status == 200:
                return answer
            said = answer.read(1 << 16)
            if elsewhere := redirected(answer, self._connection, path):
                raise Unanswered(cause=elsewhere)
        except (OSError, http.client.HTTPException) as error:
            cause = str(error) or type(error).__name__
            raise Unanswered(cause=f"nobody answers at {self.where}: {cause}") from error
        text = _error_in(said)
        if answer.status == 400:
            raise click.UsageError(text)
        raise Unanswered(cause=f"{self.where} answers {answer.status}: {text}")

    def settle(self, seconds: float) -> None:
        """Wait at most so long for each further piece of the answer."""
        if self._connection.sock is not None:
            self._connection.sock.settimeout(max(0.001, seconds))

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


def _error_in(said: bytes) -> str:
    import orjson

    try:
        found: Any = orjson.loads(said)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict) and "error" in found:
        return str(found["error"])
    return said.decode("utf-8", "replace").strip()
