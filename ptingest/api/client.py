"""The client for a running server's HTTP port, as commands use it.

No redirect is followed, no answer is read without a limit. It uses the standard library's
HTTP client and imports nothing else before it is needed, since `probe` starts every few seconds.
"""

from __future__ import annotations

import http.client
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from ptingest.errors import RequestInvalid, ServerUnreachable, TokenRefused
from ptingest.model.address import LOOPBACK_OF, split_listen
from ptingest.model.redirect import is_redirect, redirect_sentence, url_of

if TYPE_CHECKING:
    from ptingest.settings.api import ApiSettings

ANSWER_BYTES = 64 << 20
"""No status, metrics or progress is longer; what is, comes from another program."""
EVENT_BYTES = 256 << 20
"""The same for answers that hold an event whole, several times over."""
ERROR_BYTES = 1 << 16
SETTING = "api.listen (or --address, --server)"
TOKEN_PLACES = "--token-file, PTINGEST_TOKEN, or api.token in the file that --config names"
"""Where a command looks for the token, in this order."""


class HttpAnswer(NamedTuple):
    """An answer that was read whole."""

    status: int
    body: bytes


class ServerClient:
    """One connection to a server's HTTP port, opened with the first request.

    Args:
        api: where the server listens, its token, whether it speaks TLS.
        seconds: how long each step may take: to connect, to send, each piece of an answer.

    Raises:
        RequestInvalid: its address is not HOST:PORT.
    """

    def __init__(self, api: ApiSettings, *, seconds: float) -> None:
        host, port = host_and_port(api.listen)
        self.where = f"{host}:{port}"
        self._token = api.token
        self._connection = _connection(host, port, seconds, is_tls=api.tls is not None)
        scheme = "http" if api.tls is None else "https"
        self.url = url_of(scheme, host, port)

    def __enter__(self) -> ServerClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._connection.close()

    def open(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """Send a request and return its answer unread, whatever its status.

        Raises:
            TokenRefused: the server wants a token, and got none or another.
            ServerUnreachable: there was no answer, or one that sends us elsewhere.
        """
        headers, data = {}, None
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        if body is not None:
            import orjson

            headers["Content-Type"], data = "application/json", orjson.dumps(body)
        try:
            self._connection.request(method, path, body=data, headers=headers)
            answer = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(error) from error
        if is_redirect(answer.status):
            there = answer.getheader("Location")
            raise ServerUnreachable(
                cause=redirect_sentence(
                    answer.status, there, url=self.url, target=path, setting=SETTING
                )
            )
        if answer.status in (401, 429):
            self._raise_token_refused(answer)
        return answer

    def _raise_token_refused(self, answer: http.client.HTTPResponse) -> None:
        """Raise for the refusals of `ptingest.api.bearer`; other programs have their own."""
        if answer.status == 429 and (wait := answer.getheader("Retry-After")) is not None:
            raise TokenRefused(
                cause=f"{self.where} compares no token from here for {wait} s: too many were wrong",
                cure=f"correct it before the next try ({TOKEN_PLACES})",
            )
        if answer.getheader("WWW-Authenticate") != "Bearer":
            return
        if self._token is None:
            cause, cure = f"{self.where} wants its token (api.token), and none was given", "give it"
        else:
            cause = f"{self.where} answers, but refuses the token: it has another api.token"
            cure = "correct it"
        raise TokenRefused(cause=cause, cure=f"{cure}: {TOKEN_PLACES}")

    def open_ok(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """As ``open``, for an answer of status 200.

        Raises:
            ServerUnreachable: any other status but 400.
            RequestInvalid: 400, the server does not understand the request; says why.
        """
        answer = self.open(method, path, body)
        if answer.status == 200:
            return answer
        text = error_in(self._read(answer, ERROR_BYTES))
        if answer.status == 400:
            raise RequestInvalid(why=text)
        raise ServerUnreachable(cause=f"{self.where} answers {answer.status}: {text}")

    def fetch(
        self, method: str, path: str, body: object = None, *, most: int = ANSWER_BYTES
    ) -> HttpAnswer:
        """Send a request and read its answer whole, whatever its status.

        Raises:
            ServerUnreachable: as ``open``, or the answer is cut off or over ``most`` bytes.
        """
        answer = self.open(method, path, body)
        return HttpAnswer(answer.status, self.read(answer, most=most))

    def get(self, path: str, *, most: int = ANSWER_BYTES) -> bytes:
        """Return the body of a GET that is answered with 200.

        Raises:
            ServerUnreachable: as ``fetch``, or another status.
        """
        status, body = self.fetch("GET", path, most=most)
        if status != 200:
            raise ServerUnreachable(
                cause=f"{self.where}{path} answers {status}: {error_in(body[:ERROR_BYTES])}"
            )
        return body

    def read(self, answer: http.client.HTTPResponse, *, most: int = ANSWER_BYTES) -> bytes:
        """Read an answer to its end.

        Raises:
            ServerUnreachable: it is cut off, or longer than ``most`` bytes.
        """
        body = self._read(answer, most + 1)
        if len(body) > most:
            raise ServerUnreachable(
                cause=f"{self.where} sends an answer of more than {most >> 20} MiB; "
                "is this a ptingest server?"
            )
        return body

    def as_json(self, body: bytes) -> Any:
        """Return what an answer says.

        Raises:
            ServerUnreachable: it is not JSON, so it comes from another program.
        """
        import orjson

        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ServerUnreachable(
                cause=f"{self.where} does not answer like ptingest: {error}"
            ) from error

    def wait_at_most(self, seconds: float) -> None:
        """Give each further piece of the answer so many seconds."""
        if self._connection.sock is not None:
            self._connection.sock.settimeout(max(0.001, seconds))

    def _read(self, answer: http.client.HTTPResponse, most: int) -> bytes:
        try:
            return answer.read(most)
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: Exception) -> ServerUnreachable:
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ServerUnreachable(cause=f"no server answers at {self.where}: {cause}")


def error_in(said: bytes) -> str:
    """Return the ``error`` of a JSON answer, else its text."""
    import json

    try:
        found: Any = json.loads(said)
    except ValueError:  # neither JSON nor UTF-8
        found = None
    if isinstance(found, dict) and "error" in found:
        return str(found["error"])
    return said.decode("utf-8", "replace").strip()


def host_and_port(address: str) -> tuple[str, int]:
    """Return where to connect to for an address that a server listens on.

    Raises:
        RequestInvalid: it is not HOST:PORT.
    """
    try:
        host, port = split_listen(address)
    except ValueError:
        host, port = "", 0
    if not 0 < port < 65_536:
        raise RequestInvalid(
            why=f"{address!r} is not HOST:PORT; name the server's address (--address, --server)"
        )
    return LOOPBACK_OF.get(host, host), port


def _connection(
    host: str, port: int, seconds: float, *, is_tls: bool
) -> http.client.HTTPConnection:
    if not is_tls:
        return http.client.HTTPConnection(host, port, timeout=seconds)
    import ssl

    # The certificate names the public host, hardly ever 127.0.0.1; whether
    # it is valid is for `check` and for those who connect from outside.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
