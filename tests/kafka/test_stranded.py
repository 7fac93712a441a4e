"""A client is replaced where brokers answer a new one, and left alone where they answer nobody."""

from __future__ import annotations

import pytest

from ptingest.kafka import stranded
from ptingest.kafka.statistics import LOST_REPORTS, ClientStatistics
from ptingest.kafka.stranded import Stranding
from tests.fakes.kafka import MockKafka

NO_BROKER = '{"brokers": {"127.0.0.1:1/1": {"state": "CONNECT"}}}'


def statistics(reports: int) -> ClientStatistics:
    made = ClientStatistics()
    for _ in range(reports):
        made.read(NO_BROKER)
    return made


def test_brokers_that_answer_a_new_client_are_lost_to_the_old_one() -> None:
    with MockKafka() as kafka:
        stranding = Stranding({"bootstrap.servers": kafka.bootstrap}, statistics(LOST_REPORTS))

        assert stranding.is_found()


def test_nobody_is_asked_before_a_client_was_without_a_broker_for_long() -> None:
    with MockKafka() as kafka:
        stranding = Stranding({"bootstrap.servers": kafka.bootstrap}, statistics(LOST_REPORTS - 1))

        assert not stranding.is_found()


@pytest.mark.timeout(60)
def test_brokers_that_answer_nobody_are_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stranded, "ASK_SECONDS", 0.2)
    with MockKafka() as kafka:
        kafka.set_down(1)
        stranding = Stranding({"bootstrap.servers": kafka.bootstrap}, statistics(LOST_REPORTS))
        while_down = stranding.is_found()
        kafka.set_up(1)
        at_once = stranding.is_found()
        monkeypatch.setattr(stranded, "ASK_SECONDS", 30.0)
        stranding._ask_at = 0.0

        assert (while_down, at_once) == (False, False)
        assert stranding.is_found()
