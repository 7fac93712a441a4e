"""Sessions of the console: bounded in number, in age, and in tries.

A login sends the token of `api.token` once; after that the browser holds a random id in a
cookie that scripts and other sites cannot read. Nothing is on disk: a restart ends
every session. Times are arguments, in seconds of a clock that only goes forward.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from pydantic import SecretStr

SESSIONS = 64
"""Logged in at once; one more logs the oldest out."""
AGE_SECONDS = 12 * 3600.0
"""After this long a session is over, used or not."""
TRIES = 5
"""Wrong tokens from one address within `TRY_SECONDS`; then it has to wait."""
TRY_SECONDS = 60.0
ADDRESSES = 1024
"""Addresses remembered for their wrong tokens; the one that was quiet longest is dropped."""


def is_same(shown: str, wanted: str) -> bool:
    """Compare two secrets in a time that does not depend on how much is right."""
    return hmac.compare_digest(
        shown.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass")
    )


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """One browser that sent the token."""

    id: str = field(repr=False)
    ends_at: float
    form_key: str = field(repr=False)
    """Part of every form that changes something: other sites cannot know it."""


class WrongTries:
    """Addresses that sent a wrong token recently."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, list[float]] = OrderedDict()

    def __len__(self) -> int:
        """Addresses remembered."""
        return len(self._tries)

    def wait_seconds(self, address: str, now: float) -> float:
        """How long an address has to wait before it may try again; 0.0 when it may."""
        tries = self._late(address, now)
        return TRY_SECONDS - (now - tries[0]) if len(tries) >= TRIES else 0.0

    def note(self, address: str, now: float) -> None:
        """Count a wrong try."""
        tries = [*self._late(address, now), now]
        self.forget(address)
        self._tries[address] = tries
        if len(self._tries) > ADDRESSES:
            self._tries.popitem(last=False)

    def forget(self, address: str) -> None:
        """Drop the wrong tries of an address."""
        self._tries.pop(address, None)

    def _late(self, address: str, now: float) -> list[float]:
        return [at for at in self._tries.get(address, ()) if now - at < TRY_SECONDS]


class Sessions:
    """Opens, finds and ends sessions for one token."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token
        self._open: OrderedDict[str, ConsoleSession] = OrderedDict()
        self._wrong = WrongTries()

    def wait_seconds(self, address: str, now: float) -> float:
        """How long an address has to wait before it may try again; 0.0 when it may."""
        return self._wrong.wait_seconds(address, now)

    def log_in(self, shown: str, *, address: str, now: float) -> ConsoleSession | None:
        """Open a session if the token is right, else note a wrong try.

        Call ``wait_seconds`` first: while an address must wait, nothing is compared.
        """
        if not self.is_token(shown):
            self._wrong.note(address, now)
            return None
        self._wrong.forget(address)
        session = ConsoleSession(
            secrets.token_urlsafe(32), now + AGE_SECONDS, secrets.token_urlsafe(32)
        )
        self._open[session.id] = session
        if len(self._open) > SESSIONS:
            self._open.popitem(last=False)
        return session

    def is_token(self, shown: str) -> bool:
        """Whether this is the token."""
        return is_same(shown, self._token.get_secret_value())

    def find(self, session_id: str, now: float) -> ConsoleSession | None:
        """Return the open session of a cookie."""
        session = self._open.get(session_id)
        if session is not None and session.ends_at <= now:
            del self._open[session_id]
            return None
        return session

    def log_out(self, session: ConsoleSession) -> None:
        """End a session; its cookie is not accepted any more."""
        self._open.pop(session.id, None)
