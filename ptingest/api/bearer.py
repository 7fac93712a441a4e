"""Who shows `api.token` in a header; wrong ones are told, counted and made to wait.

    no header          401, which tries nothing
    the right token    let in, remembered by address
    a wrong one        401 and a line in the log; after five within a minute 429, uncompared

An address that has shown the right token goes on with it while somebody beside it tries
others: a scraper must not be locked out by its neighbour.
"""

from __future__ import annotations

import hmac
import logging
from collections import OrderedDict
from typing import TypeVar

from pydantic import SecretStr

from ptingest.api.console.sessions import ADDRESSES, TRIES, TRY_SECONDS

_Value = TypeVar("_Value")

log = logging.getLogger(__name__)


class BearerTokens:
    """Compares what is shown with one token; bounded in addresses and in tries."""

    def __init__(self, token: SecretStr) -> None:
        self._wanted = b"Bearer " + token.get_secret_value().encode()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._right: OrderedDict[str, None] = OrderedDict()

    def wait_seconds(self, address: str, now: float) -> float:
        """How long an address has to wait before a token of it is compared; 0.0 when not."""
        tries = [at for at in self._wrong.get(address, ()) if now - at < TRY_SECONDS]
        if len(tries) < TRIES:
            return 0.0
        return TRY_SECONDS - (now - tries[-TRIES])

    def is_right(self, shown: str, *, address: str, now: float) -> bool:
        """Whether a header shows the token; a wrong one is told and counted."""
        if not shown:
            return False
        if self.wait_seconds(address, now) > 0 and address not in self._right:
            return False
        # Compared in constant time: how long it takes must not tell how much was right.
        if hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self._wanted):
            _keep(self._right, address, None)
            return True
        if self.wait_seconds(address, now) == 0:
            log.warning("api: a wrong token from %s", address)
            tries = [at for at in self._wrong.get(address, ()) if now - at < TRY_SECONDS]
            _keep(self._wrong, address, [*tries, now])
        return False


def _keep(rows: OrderedDict[str, _Value], address: str, value: _Value) -> None:
    rows.pop(address, None)
    rows[address] = value
    if len(rows) > ADDRESSES:
        rows.popitem(last=False)
