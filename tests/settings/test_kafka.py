"""Kafka's settings: what cannot work is refused with its cure, the rest becomes properties."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ptingest.settings.kafka import (
    KafkaBufferSettings,
    KafkaConnectionSettings,
    KafkaSourceSettings,
)

BROKERS = ["kafka-1.example:9092", "kafka-2.example:9092"]


@pytest.mark.parametrize("given", [BROKERS, "kafka-1.example:9092, kafka-2.example:9092,"])
def test_brokers_are_a_list_or_one_text(given: object) -> None:
    settings = KafkaConnectionSettings.model_validate({"brokers": given})

    assert settings.brokers == tuple(BROKERS)
    assert settings.properties() == {
        "bootstrap.servers": ",".join(BROKERS),
        "client.id": "ptingest",
        "security.protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"brokers": []}, "at least 1 item"),
        ({"brokers": ["kafka"]}, "must be host:port"),
        ({"brokers": ["kafka:0"]}, "must be host:port"),
        ({"brokers": ["kafka:70000"]}, "must be host:port"),
        ({"brokers": ["SASL_SSL://kafka:9093"]}, "is no host:port; TLS is the section tls"),
        ({"brokers": ["me:secret@kafka:9093"]}, "is no host:port"),
        ({"topics": []}, "at least 1 item"),
        ({"topics": ["a topic"]}, "is no name of a topic"),
        ({"topics": [".."]}, "is no name of a topic"),
        ({"topics": ["^logs-("]}, "cannot be read"),
        ({"topics": ["^(?!abc)d.*"]}, r"cannot be followed from '\(\?!abc\)d\.\*' on"),
        ({"start": "yesterday"}, "neither earliest, latest nor a time like"),
        ({"start": "2026-11-29T08:00:00"}, "has no zone"),
        ({"tls": {"key": "client.key"}}, "nothing without certificate"),
        ({"sasl": {"mechanism": "GSSAPI", "username": "u", "password": "p"}}, "PLAIN"),
        ({"sasl": {"username": "u"}}, "password"),
    ],
)
def test_what_cannot_work_is_refused_with_its_cure(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        KafkaSourceSettings.model_validate({"brokers": BROKERS, "topics": ["parcels"], **change})


def test_a_pattern_may_have_a_comma() -> None:
    settings = KafkaSourceSettings.model_validate({"brokers": BROKERS, "topics": "^pt-.{1,20}$"})

    assert settings.topics == ("^pt-.{1,20}$",)


def test_a_pattern_is_subscribed_to_in_the_words_of_the_client() -> None:
    given = {"brokers": BROKERS, "topics": [r"^(?:a|b)-\d+$", "parcels"]}

    settings = KafkaSourceSettings.model_validate(given)

    assert settings.topics == ("^(a|b)-[0-9]+$", "parcels")


def test_tls_and_login_become_properties() -> None:
    settings = KafkaConnectionSettings.model_validate(
        {
            "brokers": BROKERS,
            "tls": {"ca_file": "ca.pem", "certificate": "client.pem", "key_password": "opensesame"},
            "sasl": {"username": "ptingest", "password": "secret"},
        }
    )

    assert settings.properties() == {
        "bootstrap.servers": ",".join(BROKERS),
        "client.id": "ptingest",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": "ca.pem",
        "ssl.certificate.location": "client.pem",
        "ssl.key.location": "client.pem",
        "ssl.key.password": "opensesame",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "ptingest",
        "sasl.password": "secret",
    }
    assert "secret" not in repr(settings)


def test_the_indexers_of_a_buffer_read_its_topic() -> None:
    given = {"brokers": BROKERS, "topic": "pt-buffer", "group": "indexers", "tls": {}}

    source = KafkaBufferSettings.model_validate({**given, "commit_seconds": 1}).as_source()

    assert (source.topics, source.group, source.commit_seconds) == (("pt-buffer",), "indexers", 1)
    assert source.properties()["security.protocol"] == "SSL"
