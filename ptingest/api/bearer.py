"""Who shows `api.token` in a header; wrong ones are told, counted and made to wait.

    no header          401, which tries nothing
    the right token    let in, remembered by address
    a wrong one        401 and a line in the log; after five within a minute 429, uncompared

An address that has shown the right token goes on with it while somebody beside it tries
others: a scraper must not be locked out by its neighbour.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from pydantic import SecretStr

from ptingest.api.console.sessions import ADDRESSES, WrongTries, is_same

log = logging.getLogger(__name__)


class BearerTokens:
    """Compares what is shown with one token; bounded in addresses and in tries."""

    def __init__(self, token: SecretStr) -> None:
        self._wanted = "Bearer " + token.get_secret_value()
        self._wrong = WrongTries()
        self._right: OrderedDict[str, None] = OrderedDict()

    def wait_seconds(self, address: str, now: float) -> float:
        """How long an address has to wait before a token of it is compared; 0.0 when not."""
        return self._wrong.wait_seconds(address, now)

    def is_right(self, shown: str, *, address: str, now: float) -> bool:
        """Whether a header shows the token; a wrong one is told and counted."""
        if not shown:
            return False
        has_to_wait = self.wait_seconds(address, now) > 0
        if has_to_wait and address not in self._right:
            return False
        if is_same(shown, self._wanted):
            self._remember(address)
            return True
        if not has_to_wait:
            log.warning("api: a wrong token from %s", address)
            self._wrong.note(address, now)
        return False

    def _remember(self, address: str) -> None:
        self._right[address] = None
        self._right.move_to_end(address)
        if len(self._right) > ADDRESSES:
            self._right.popitem(last=False)
