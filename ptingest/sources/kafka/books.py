"""Counts what a source of Kafka reads, by topic: read = settled + given back + outstanding."""

from __future__ import annotations

from ptingest.telemetry.metrics import Metrics

MOST_TOPICS = 64
MOST_PARTITIONS = 256
OTHER = "other"


class KafkaBooks:
    """Patterns may find any number of topics, so from the 65th on they share a label."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._topics: set[str] = set()
        self._shown: dict[str, set[tuple[str, ...]]] = {}
        """Gauge -> the labels that this source has set; another source has others."""
        self.read = self.settled_events = self.given_back = 0
        self.commits_done = self.commits_refused = self.lost = 0

    def topic_label(self, topic: str) -> str:
        """Return the label of a topic."""
        if topic not in self._topics and len(self._topics) < MOST_TOPICS:
            self._topics.add(topic)
        return topic if topic in self._topics else OTHER

    def read_records(self, topic: str, count: int) -> None:
        self._metrics.add("ptingest_kafka_read_records_total", count, self.topic_label(topic))

    def read_events(self, topic: str, count: int) -> None:
        label = self.topic_label(topic)
        self.read += count
        self._metrics.add("ptingest_kafka_read_events_total", count, label)
        self._metrics.add("ptingest_kafka_outstanding_events", count, label)

    def settled(self, topic: str, count: int, *, is_safe: bool) -> None:
        """Events of a run are safe, or will be read again."""
        label = self.topic_label(topic)
        fate = "settled" if is_safe else "given_back"
        self.settled_events += count if is_safe else 0
        self.given_back += 0 if is_safe else count
        self._metrics.add(f"ptingest_kafka_{fate}_events_total", count, label)
        self._metrics.add("ptingest_kafka_outstanding_events", -count, label)

    def committed(self, error: str | None) -> None:
        result = "done" if error is None else "refused"
        self.commits_done += error is None
        self.commits_refused += error is not None
        self._metrics.add("ptingest_kafka_commits_total", 1, result)

    def lost_records(self, topic: str, count: int) -> None:
        """Records were gone before they were read."""
        self.lost += count
        self._metrics.add("ptingest_kafka_lost_records_total", count, self.topic_label(topic))

    def rebalanced(self) -> None:
        self._metrics.add("ptingest_kafka_rebalances_total")

    def show_lags(self, lags: dict[tuple[str, int], int], ages: dict[str, float]) -> None:
        """Set the lag of each partition, and the age of each topic's oldest unsafe record.

        What is not given any more is 0: another member tells it.
        """
        by_label: dict[tuple[str, ...], float] = {}
        for (topic, partition), lag in lags.items():
            number = str(partition) if partition < MOST_PARTITIONS else OTHER
            label = (self.topic_label(topic), number)
            by_label[label] = by_label.get(label, 0) + lag
        self._replace("ptingest_kafka_lag_records", by_label)
        oldest: dict[tuple[str, ...], float] = {}
        for topic, age in ages.items():
            label_of = (self.topic_label(topic),)
            oldest[label_of] = max(age, oldest.get(label_of, 0.0))
        self._replace("ptingest_kafka_oldest_unsettled_seconds", oldest)

    def row(self) -> dict[str, int]:
        """The part of /status about it, in events."""
        return {
            "read": self.read,
            "settled": self.settled_events,
            "given_back": self.given_back,
            "outstanding": self.read - self.settled_events - self.given_back,
        }

    def _replace(self, name: str, values: dict[tuple[str, ...], float]) -> None:
        for labels in self._shown.get(name, set()) - values.keys():
            self._metrics.set(name, 0, *labels)
        self._shown[name] = self._shown.get(name, set()) | values.keys()
        for labels, value in values.items():
            self._metrics.set(name, value, *labels)
