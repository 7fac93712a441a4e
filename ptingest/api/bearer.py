"""Checks `api.token` in a header; wrong tokens are logged, counted and delayed.

    no header          401, not counted as a try
    the right token    accepted, remembered by address
    a wrong one        401 and a line in the log; after five within a minute 429, uncompared

An address that has sent the right token can go on using it while another client at the same
address tries wrong ones: a scraper must not be locked out by another program of its host.
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
        """How long an address must wait before its token is compared; 0.0 if it need not."""
        return self._wrong.wait_seconds(address, now)

    def is_right(self, shown: str, *, address: str, now: float) -> bool:
        """Whether a header has the token; a wrong one is logged and counted."""
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
