"""Watches the buffer's topic: its limits, and what keeps records from being appended.

While records are confirmed nothing is asked; the topic is looked at when none was for a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from ptingest.errors import NotAppended
from ptingest.kafka.producer import KafkaProducer
from ptingest.kafka.topic import TopicLimits, TopicState, ask_limits, trouble_of

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
"""How long one question may take."""


class TopicWatch:
    """What is known of the topic; asks over ``producer``, and says changes in the log."""

    def __init__(
        self, topic: str, properties: Mapping[str, object], producer: KafkaProducer
    ) -> None:
        self._topic, self._properties, self._producer = topic, properties, producer
        self.state: TopicState | None = None
        self.limits: TopicLimits | None = None
        """None where nobody told them."""
        self.trouble: str | None = None
        """Why nothing or not all can be appended; None while all is well."""
        self.connection_error: str | None = None
        self._refusal: NotAppended | None = None

    async def look(self, *, has_waiting: bool = True) -> None:
        """Ask the brokers for the topic, and for its limits where they are not known.

        A refusal counts while records wait to be sent again. Without any its cause may be gone, and
        only the next record tells.
        """
        if not has_waiting:
            self._refusal = None
        self.state = await self._producer.topic_state(self._topic, seconds=ASK_SECONDS)
        if self.state.error is None and self.limits is None:
            await self.ask_limits()
        trouble = self.state.trouble(self._topic, self.limits)
        if trouble is None and self._refusal is not None:
            trouble = trouble_of(self._refusal.name, self._refusal.detail, self._topic)
        self._tell(trouble)

    async def ask_limits(self) -> None:
        """Ask for the topic's limits, which may have changed."""
        found = await asyncio.to_thread(
            ask_limits, self._properties, self._topic, seconds=ASK_SECONDS
        )
        self.limits = found or self.limits

    def refused(self, error: NotAppended) -> None:
        """The brokers refused a record."""
        self._refusal = error
        self._tell(trouble_of(error.name, error.detail, self._topic))

    def confirmed(self) -> None:
        """A record was appended: there is no trouble."""
        self._refusal = None
        self._tell(None)

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and self.trouble is None:
            log.warning("buffer: %s; windows wait, and nothing is acked that is not safe", trouble)
        elif trouble is None and self.trouble is not None:
            log.info("buffer: topic %s takes records again", self._topic)
        self.trouble = trouble
