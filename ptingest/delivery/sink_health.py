"""Whether one lane's sink takes documents, as far as writes and health checks show.

Readiness reads ``trouble``. A health check reads the rest, and reports back what it found.
"""

from __future__ import annotations

import logging
import math

from ptingest.delivery.attempts import Attempts
from ptingest.delivery.inventory import Inventory
from ptingest.delivery.retry_policy import RetryPolicy

log = logging.getLogger(__name__)


class SinkHealth:
    """What is known of one sink."""

    def __init__(
        self, name: str, *, retries: RetryPolicy, attempts: Attempts, inventory: Inventory
    ) -> None:
        self.name = name
        self._retries, self._attempts, self._inventory = retries, attempts, inventory
        self.trouble: str | None = None
        """Why the sink takes no documents; None when it does."""
        self.written_at: float | None = None
        """When a write last ended (monotonic seconds); None before the first."""
        self.stored_at = -math.inf
        """When a document was last stored (monotonic seconds)."""

    @property
    def outstanding(self) -> int:
        """Documents in the lane."""
        return self._inventory.documents

    @property
    def has_unanswered(self) -> bool:
        """Whether some documents get no answer, so that a health check is needed to tell why."""
        return self._retries.unanswered > 0 or self._attempts.has_unanswered

    def note_trouble(self, trouble: str | None) -> None:
        """Note why the sink takes no documents; None: it takes them."""
        before, self.trouble = self.trouble, trouble
        if trouble is not None and trouble != before:
            log.warning("%s: %s", self.name, trouble)
        elif trouble is None and before is not None:
            log.info("%s takes documents again", self.name)

    def note_healthy(self, asked_at: float) -> None:
        """A health check begun then succeeded: give up writes that have no answer for too long."""
        self._retries.note_healthy(asked_at)
        self._attempts.give_up_silent(asked_at)
