"""The client library is found, or what to install is said."""

from __future__ import annotations

import sys

import pytest

from ptingest.errors import KafkaUnusable
from ptingest.kafka.package import confluent_kafka, confluent_kafka_admin, usable


def test_the_library_and_its_questions_are_found() -> None:
    assert confluent_kafka().Producer
    assert confluent_kafka_admin().AdminClient


def test_a_missing_package_names_the_command_that_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)

    with pytest.raises(KafkaUnusable, match=r"pip install 'ptingest\[kafka\]'"):
        confluent_kafka()


def test_what_the_library_refuses_is_told() -> None:
    with pytest.raises(KafkaUnusable, match=r"no\.such\.property"), usable():
        confluent_kafka().Producer({"no.such.property": 1})
