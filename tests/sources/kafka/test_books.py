"""Labels of topics and partitions are bounded, and gauges of what went are 0."""

from __future__ import annotations

from ptingest.sources.kafka.books import MOST_PARTITIONS, MOST_TOPICS, OTHER, KafkaBooks
from ptingest.telemetry.metrics import Metrics


def test_topics_beyond_the_limit_share_a_label() -> None:
    metrics = Metrics()
    books = KafkaBooks(metrics)

    for number in range(MOST_TOPICS + 10):
        books.read_events(f"topic-{number}", 1)
        books.read_events(f"topic-{number}", 1)

    counted = dict(metrics.labelled("ptingest_kafka_read_events_total"))
    assert len(counted) == MOST_TOPICS + 1
    assert counted["topic-0",] == 2
    assert counted[OTHER,] == 20


def test_partitions_beyond_the_limit_add_up() -> None:
    metrics = Metrics()
    books = KafkaBooks(metrics)

    books.show_lags({("logs", MOST_PARTITIONS): 3, ("logs", 999): 4, ("logs", 0): 5}, {})

    assert metrics.value("ptingest_kafka_lag_records", "logs", OTHER) == 7
    assert metrics.value("ptingest_kafka_lag_records", "logs", "0") == 5


def test_what_is_read_elsewhere_now_has_no_lag_here() -> None:
    metrics = Metrics()
    books = KafkaBooks(metrics)
    books.show_lags({("logs", 0): 5, ("logs", 1): 6}, {"logs": 3.0})

    books.show_lags({("logs", 1): 7}, {})

    assert metrics.value("ptingest_kafka_lag_records", "logs", "0") == 0
    assert metrics.value("ptingest_kafka_lag_records", "logs", "1") == 7
    assert metrics.value("ptingest_kafka_oldest_unsettled_seconds", "logs") == 0


def test_events_are_settled_or_given_back() -> None:
    metrics = Metrics()
    books = KafkaBooks(metrics)
    books.read_events("logs", 10)

    books.settled("logs", 7, is_safe=True)
    books.settled("logs", 2, is_safe=False)

    assert metrics.value("ptingest_kafka_settled_events_total", "logs") == 7
    assert metrics.value("ptingest_kafka_given_back_events_total", "logs") == 2
    assert metrics.value("ptingest_kafka_outstanding_events", "logs") == 1


def test_books_in_status_add_up() -> None:
    books = KafkaBooks(Metrics())
    books.read_events("logs", 10)
    books.settled("logs", 7, is_safe=True)
    books.settled("logs", 2, is_safe=False)

    assert books.row() == {"read": 10, "settled": 7, "given_back": 2, "outstanding": 1}


def test_a_source_leaves_the_gauges_of_another_one_alone() -> None:
    metrics = Metrics()
    first, second = KafkaBooks(metrics), KafkaBooks(metrics)
    first.show_lags({("logs", 0): 5}, {"logs": 3.0})

    second.show_lags({("buffer", 0): 6}, {})

    assert metrics.value("ptingest_kafka_lag_records", "logs", "0") == 5
    assert metrics.value("ptingest_kafka_lag_records", "buffer", "0") == 6
    assert metrics.value("ptingest_kafka_oldest_unsettled_seconds", "logs") == 3.0
