"""What a buffer in Kafka costs: the parts of the measurement that need no broker."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import kafka
from benchmarks.kafka import PARTITIONS, Cost, Started


class Broker:
    """Notes the topics that are made."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []

    def create_topic(self, name: str, *, partitions: int) -> None:
        self.made.append((name, partitions))


def test_each_pair_has_a_topic_of_its_own_and_the_middle_ratio_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    direct = iter([Cost(40.0, 0.0, 1.0), Cost(50.0, 0.0, 1.0), Cost(45.0, 0.0, 1.0)])
    through = iter([Cost(44.0, 5.0, 2.0), Cost(60.0, 6.0, 2.0), Cost(45.0, 4.0, 2.0)])

    def measured(windows: Any, warm_up: Any, broker: Any, topic: str) -> Cost:
        return next(direct if broker is None else through)

    monkeypatch.setattr(kafka, "measure_cost", measured)
    monkeypatch.setattr(kafka, "prepare", lambda events, seed: [])
    broker: Any = Broker()

    found = kafka.cost(broker, events=100, pairs=3)

    assert broker.made == [(f"cost-{number}", PARTITIONS) for number in range(3)]
    assert found["ratios"] == pytest.approx([1.1, 1.2, 1.0])
    told = capsys.readouterr().out
    assert "direct     45.00 us an event, broker 0.00, 1.0 s" in told
    assert "buffered is 1.10 (1.00 to 1.20)" in told


def test_more_documents_than_events_are_an_error_of_the_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kafka.processes, "null_counts", lambda port: {"documents": 11})

    kafka._until_stored(9, 11)
    with pytest.raises(ValueError, match="11 documents arrived, 10 events were sent"):
        kafka._until_stored(9, 10)


def test_what_does_not_arrive_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(kafka.processes, "null_counts", lambda port: {"documents": 9})

    with pytest.raises(ValueError, match="9 of 10 documents arrived"):
        kafka._until_stored(9, 10)


def test_nothing_is_measured_before_all_indexers_share_the_topic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([8, 0, 5, 3])
    monkeypatch.setattr(kafka, "_partitions", lambda reader: next(answers))
    monkeypatch.setattr(kafka.time, "sleep", lambda seconds: None)

    kafka._until_shared([Started(1, 2, 3), Started(4, 5, 6)])

    assert next(answers, None) is None


def test_rates_are_compared_with_that_of_one_indexer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kafka, "prepare", lambda events, seed: [])
    monkeypatch.setattr(kafka, "measure_scale", lambda *given: 1000.0 * given[2] ** 0.5)
    broker: Any = Broker()

    found = kafka.scale(broker, events=100, share=0.25)

    assert found["events_per_second"] == pytest.approx({1: 1000.0, 2: 1414.2, 4: 2000.0}, rel=1e-3)
    assert "4 indexers:     2,000 events/s, 2.00 times one" in capsys.readouterr().out
