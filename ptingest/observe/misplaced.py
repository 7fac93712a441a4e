"""Says in the log that events are dropped because their ``group`` stands under ``fields``.

It is the commonest mistake in filebeat.yml, and all events of the input are lost by it. One line
is written at once, and then at most one in `LOG_SECONDS`, with the number since the last.
"""

from __future__ import annotations

import logging

from ptingest.model.outcome import Processed

log = logging.getLogger(__name__)

LOG_SECONDS = 60.0
MISPLACED = "fields_not_under_root"


class MisplacedGroups:
    """Counts these events between two log lines."""

    def __init__(self) -> None:
        self._unlogged = 0
        self._due_ns = 0

    def look(self, processed: Processed, peer: str, now_ns: int) -> None:
        """Count those of one chunk; ``peer`` sent it."""
        if not processed.tallies:
            return
        found = sum(count for (_, what), count in processed.tallies.items() if what == MISPLACED)
        if not found:
            return
        self._unlogged += found
        if now_ns < self._due_ns:
            return
        count, self._unlogged = self._unlogged, 0
        self._due_ns = now_ns + int(LOG_SECONDS * 1e9)
        log.warning(
            "%d events were dropped, the last of them from %s: their `group` stands under "
            "`fields`. Set fields_under_root: true in that input of filebeat.yml and restart "
            "Filebeat; what was dropped is not sent again by itself",
            count,
            peer,
        )
