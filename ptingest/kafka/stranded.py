"""Whether a client has lost brokers that answer others: it is replaced then, and only then.

librdkafka forgets the brokers that are not in the last list it was given. Where that list was
empty, as it is while the only broker is fenced, it has nobody left to ask, and asks nobody for
minutes or for ever (confluentinc/librdkafka#5301). While brokers are away for all, another
client would do no better.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from ptingest.errors import KafkaUnusable
from ptingest.kafka.package import confluent_kafka, new_admin
from ptingest.kafka.statistics import ClientStatistics

ASK_SECONDS = 3.0
"""How long a broker may take to answer."""
AGAIN_SECONDS = 10.0
"""Time between two questions."""
REASON = "it has lost all brokers, and they answer a new one"


class Stranding:
    """Looks after one client; called in its thread."""

    def __init__(self, properties: Mapping[str, object], statistics: ClientStatistics) -> None:
        """``properties`` are those of the client's connections."""
        self._properties, self._statistics = properties, statistics
        self._ask_at = 0.0

    def is_found(self) -> bool:
        """Ask with a new client, where the old one has had no broker for long. Blocks."""
        if not self._statistics.is_lost or time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + AGAIN_SECONDS
        try:
            return bool(new_admin(self._properties).list_topics(timeout=ASK_SECONDS).brokers)
        except (confluent_kafka().KafkaException, KafkaUnusable):
            return False
