"""Asks for topics: which were there at first, which cannot be read, which were made anew.

The client library tells of a topic that goes only sometimes, and of one that was deleted and made
again not at all: it reads on at the old offset, past records of the new topic. A topic that is
made anew has another id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ptingest.kafka.package import confluent_kafka, new_admin
from ptingest.kafka.polled import Partition, Problem

ASK_SECONDS = 3.0
"""How long a broker may take to answer."""


class Seen(NamedTuple):
    """What the brokers say of topics."""

    problems: dict[str, Problem]
    """Why these cannot be read."""
    made_anew: set[str]
    """These have another id than before."""


class TopicsSeen:
    """Remembers topics as long as the process lives; called in one thread at a time."""

    def __init__(self, properties: Mapping[str, object]) -> None:
        """``properties`` are those of the consumer's connections."""
        self._properties = properties
        self._client: Any = None
        self._ids: dict[str, str] = {}
        self._at_first: dict[str, int] | None = None
        """How many partitions each topic had that has been there since the first look."""
        self._made_anew: set[str] = set()

    def look_first(self) -> bool:
        """Note what is there, once; False where no broker answers. Blocks."""
        if self._at_first is not None:
            return True
        try:
            found = self._connected().list_topics(timeout=ASK_SECONDS).topics
        except confluent_kafka().KafkaException:
            self._client = None
            return False
        self._at_first = {topic: len(one.partitions) for topic, one in found.items()}
        return True

    def is_new(self, partition: Partition) -> bool:
        """Whether it came after the first look; False before that."""
        if self._at_first is None:
            return False
        return partition.number >= self._at_first.get(partition.topic, 0)

    def is_made_anew(self, topic: str) -> bool:
        """Whether its id has changed since it was first looked at."""
        return topic in self._made_anew

    def look(self, topics: Collection[str]) -> Seen | None:
        """Ask for all of these at once; None where no broker answers. Blocks."""
        seen, library = Seen({}, set()), confluent_kafka()
        if not topics:
            return seen
        asked = library.TopicCollection(sorted(topics))
        answers = self._connected().describe_topics(asked, request_timeout=ASK_SECONDS)
        for topic, answer in answers.items():
            try:
                self._note(topic, str(answer.result(ASK_SECONDS + 1).topic_id), seen)
            except TimeoutError:
                self._client = None
                return None
            except library.KafkaException as error:
                reason = error.args[0]
                if reason.name().startswith("_"):  # the library's own: there was no answer
                    self._client = None
                    return None
                seen.problems[topic] = Problem(reason.name(), reason.str(), topic)
                if reason.name() == "UNKNOWN_TOPIC_OR_PART":
                    self._forget(topic)
        return seen

    def close(self) -> None:
        """End the connections; blocks."""
        self._client = None

    def _connected(self) -> Any:
        if self._client is None:
            self._client = new_admin(self._properties)
        return self._client

    def _forget(self, topic: str) -> None:
        # What comes under its name is not what was there at first.
        if self._at_first is not None:
            self._at_first.pop(topic, None)

    def _note(self, topic: str, made_as: str, seen: Seen) -> None:
        if self._ids.setdefault(topic, made_as) != made_as:
            self._ids[topic] = made_as
            seen.made_anew.add(topic)
            self._made_anew.add(topic)
            self._forget(topic)
