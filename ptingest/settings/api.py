"""The HTTP port for health, metrics and status."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from ptingest.model.address import is_loopback_host, split_listen
from ptingest.settings.strict import ListenAddress, StrictSettings
from ptingest.settings.tls import ServerTlsSettings


def _usable_token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not text:
        raise ValueError("it is empty, so anyone would know it; is its variable set?")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it cannot travel in a header; write letters, digits and signs only")
    return token


LEAST_CHARACTERS = 16
"""Of a token, where others than this host can try some."""


class ApiSettings(StrictSettings):
    """The HTTP port: health, metrics, status and the console. It listens on loopback by
    default, since ``/status`` tells much about the host."""

    listen: ListenAddress = "127.0.0.1:9600"
    """``host:port`` of the HTTP port; port 0 picks a free one."""
    tls: ServerTlsSettings | None = None
    """Without this section the port speaks http; with it https only."""
    token: Annotated[SecretStr, AfterValidator(_usable_token)] | None = None
    """Required as ``Authorization: Bearer <token>`` for everything but ``/livez``; at least 16
    characters where the port listens beyond loopback. The console asks for it once, in a form.
    Without a token the console is available to this host only and cannot change anything."""

    @property
    def guessable_token(self) -> str:
        """What is wrong with a token that others than this host can try; empty when nothing."""
        if self.token is None or is_loopback_host(split_listen(self.listen)[0]):
            return ""
        length = len(self.token.get_secret_value())
        if length >= LEAST_CHARACTERS:
            return ""
        return f"has {length} characters and api.listen is {self.listen}, beyond this host"

    @property
    def is_exposed(self) -> bool:
        """Others than this host can reach the port and need no token; the console stays shut."""
        return self.token is None and not is_loopback_host(split_listen(self.listen)[0])
