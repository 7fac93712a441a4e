"""Asks for topics: which were there at first, which cannot be read, which were made anew.

The client library tells of a topic that goes only sometimes, and of one that was deleted and made
again not at all: it reads on at the old offset, past records of the new topic. A topic that is
made anew has another id. The id of the topic that a partition is read of is remembered here, and
committed beside its offset (``note``), so that whoever reads on from there can tell, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ptingest.kafka.package import confluent_kafka, new_admin
from ptingest.kafka.polled import Partition, Problem

ASK_SECONDS = 3.0
"""How long a broker may take to answer."""


OF_CLUSTER = " of cluster "
"""Between the two ids of a note."""


class TopicsSeen:
    """Remembers topics as long as the process lives; called in one thread at a time."""

    def __init__(self, properties: Mapping[str, object]) -> None:
        """``properties`` are those of the consumer's connections."""
        self._properties = properties
        self._client: Any = None
        self._cluster: str | None = None
        self._topics: dict[str, str] = {}
        """The note of each topic as it was last looked at."""
        self._read: dict[Partition, str] = {}
        """The note of the topic that a partition is read of."""
        self._at_first: dict[str, int] | None = None
        """How many partitions each topic had that has been there since the first look."""

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

    def is_made_anew(self, partition: Partition) -> bool:
        """Whether its topic is another one than the one that it was read of."""
        now = self._topics.get(partition.topic)
        before = self._read.get(partition)
        return now is not None and before is not None and _is_made_anew(before, now)

    def begin(self, partition: Partition) -> None:
        """It is read of the topic that was last looked at."""
        if partition.topic in self._topics:
            self._read[partition] = self._topics[partition.topic]

    def committed(self, partition: Partition, note: str) -> None:
        """Take what is committed beside an offset from which it is read on."""
        self._read[partition] = note

    def note(self, partition: Partition) -> str:
        """What is to be committed beside its offset; "" where it is not known."""
        return self._read.get(partition, "")

    def look(self, topics: Collection[str]) -> dict[str, Problem] | None:
        """Ask for all of these at once, and return why some cannot be read; None where no broker
        answers. Blocks."""
        problems: dict[str, Problem] = {}
        library = confluent_kafka()
        if not topics:
            return problems
        try:
            if self._cluster is None:
                self._cluster = self._connected().list_topics(timeout=ASK_SECONDS).cluster_id
            asked = library.TopicCollection(sorted(topics))
            answers = self._connected().describe_topics(asked, request_timeout=ASK_SECONDS)
            for topic, answer in answers.items():
                self._take(topic, answer, problems)
        except (TimeoutError, library.KafkaException):
            self._client = None
            return None
        return problems

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

    def _take(self, topic: str, answer: Any, problems: dict[str, Problem]) -> None:
        try:
            described = answer.result(ASK_SECONDS + 1)
        except confluent_kafka().KafkaException as error:
            reason = error.args[0]
            if reason.name().startswith("_"):  # the library's own: there was no answer
                raise
            problems[topic] = Problem(reason.name(), reason.str(), topic)
            if reason.name() == "UNKNOWN_TOPIC_OR_PART":
                self._forget(topic)
            return
        now = f"topic {described.topic_id}{OF_CLUSTER}{self._cluster}"
        if self._topics.setdefault(topic, now) != now:
            self._topics[topic] = now
            self._forget(topic)


def _is_made_anew(before: str, now: str) -> bool:
    """Whether two notes are of different topics. Offsets may have been copied from another cluster,
    or committed by other programs: their notes tell nothing."""
    cluster = before.rpartition(OF_CLUSTER)[2]
    return before != now and cluster == now.rpartition(OF_CLUSTER)[2]
