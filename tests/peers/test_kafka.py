"""A real Kafka, and what we count on it for."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer

from tests.fakes.authority import Authority
from tests.peers.kafka_peer import PASSWORD, USER, Kafka, start_kafka

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


def send(bootstrap: str, topic: str, *values: bytes, **settings: object) -> None:
    """Write records to partition 0; all replicas have them when it returns."""
    words = {name.replace("_", "."): value for name, value in settings.items()}
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 2, **words})
    errors: list[object] = []

    def told(error: object, _: Message) -> None:
        errors.append(error)

    for value in values:
        producer.produce(topic, value, partition=0, on_delivery=told)
    assert producer.flush(60) == 0
    assert errors == [None] * len(values)


def read(bootstrap: str, topic: str, count: int, group: str) -> list[bytes | None]:
    """Return the next values of a topic as a group reads them, and commit that."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 2,
        }
    )
    consumer.subscribe([topic])
    try:
        found = consumer.consume(count, timeout=60)
        for one in found:
            assert one.error() is None, one.error()
        consumer.commit(message=found[-1], asynchronous=False)
        return [one.value() for one in found]
    finally:
        consumer.close()


def test_records_and_offsets_outlive_a_killed_broker(tmp_path: Path) -> None:
    kafka = start_kafka(tmp_path)
    try:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", b"one", b"two", b"three")
        first = read(kafka.bootstrap, "logs", 1, "group")

        kafka.kill()
        kafka.start()

        assert first == [b"one"]
        assert kafka.committed("group", "logs") == {0: 1}
        assert read(kafka.bootstrap, "logs", 2, "group") == [b"two", b"three"]
    finally:
        kafka.close()


def test_a_group_goes_on_at_another_node_when_its_coordinator_is_killed(tmp_path: Path) -> None:
    kafka = start_kafka(tmp_path, nodes=3)
    try:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", b"one", b"two")
        read(kafka.bootstrap, "logs", 1, "group")
        before = kafka.coordinator_of("group")

        kafka.kill(before)

        assert read(kafka.bootstrap, "logs", 1, "group") == [b"two"]
        assert kafka.coordinator_of("group") != before
    finally:
        kafka.close()


def test_the_secured_listener_asks_for_a_login_and_a_certificate(
    tmp_path: Path, authority: Authority
) -> None:
    kafka = start_kafka(
        tmp_path, sasl=True, certificate=authority.server(), client_ca=authority.file
    )
    try:
        kafka.create_topic("logs")
        own = authority.issue("client.test", file="client")
        tls = {
            "security_protocol": "SASL_SSL",
            "ssl_ca_location": authority.file,
            "ssl_certificate_location": own.certificate,
            "ssl_key_location": own.key,
        }

        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            send(
                *(kafka.secured, "logs", mechanism.encode()),
                **tls,
                sasl_mechanism=mechanism,
                sasl_username=USER,
                sasl_password=PASSWORD,
            )

        found = read(kafka.bootstrap, "logs", 3, "group")
        assert found == [b"PLAIN", b"SCRAM-SHA-256", b"SCRAM-SHA-512"]
    finally:
        kafka.close()


def test_a_topic_has_the_partitions_that_it_was_made_with(kafka: Kafka) -> None:
    kafka.create_topic("shared-answers", partitions=3)

    found = kafka.admin().list_topics("shared-answers", timeout=30)

    assert len(found.topics["shared-answers"].partitions) == 3
