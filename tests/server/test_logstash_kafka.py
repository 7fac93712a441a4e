"""Settings of Kafka from the inputs and outputs of a logstash.conf."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.server.logstash_settings import server_values, settings_of
from ptingest.settings.logstash import ConfFile, LogstashSettings

INPUT = "input { kafka { %s } }"
PLAIN = (
    "sasl_jaas_config => 'org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="u" password="p\\"q;";\''
)
SCRAM = PLAIN.replace("plain.Plain", "scram.Scram")


def values(text: str) -> dict[str, Any]:
    rules = LogstashSettings(files=(ConfFile(name="a.conf", text=text),), folder="/")
    return server_values(compile_logstash(rules))


USUAL = {
    "brokers": "localhost:9092",
    "topics": ["logstash"],
    "group": "logstash",
    "client_id": "logstash",
    "start": "latest",
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", {}),
        ('bootstrap_servers => "a:1, SSL://b:2"', {"brokers": "a:1,b:2"}),
        ('topics => ["a", "b"]', {"topics": ["a", "b"]}),
        ('topics_pattern => "app-.*" topics => ["a"]', {"topics": ["^(app-.*)$"]}),
        ('group_id => "g" client_id => "c"', {"group": "g", "client_id": "c"}),
        ('auto_offset_reset => "earliest"', {"start": "earliest"}),
        ("auto_commit_interval_ms => 2500", {"commit_seconds": 2.5}),
        ("session_timeout_ms => 30000", {"session_seconds": 30.0}),
        ('security_protocol => "SSL"', {"tls": {}}),
        (
            'security_protocol => SSL ssl_truststore_type => "PEM" '
            'ssl_truststore_location => "ca.pem" ssl_keystore_type => pem '
            'ssl_keystore_location => "me.pem" ssl_key_password => "k"',
            {"tls": {"ca_file": "ca.pem", "certificate": "me.pem", "key_password": "k"}},
        ),
        (
            f'security_protocol => "SASL_SSL" sasl_mechanism => "PLAIN" {PLAIN}',
            {"tls": {}, "sasl": {"mechanism": "PLAIN", "username": "u", "password": 'p"q;'}},
        ),
        (
            f'security_protocol => "SASL_PLAINTEXT" sasl_mechanism => "SCRAM-SHA-256" {SCRAM}',
            {"sasl": {"mechanism": "SCRAM-SHA-256", "username": "u", "password": 'p"q;'}},
        ),
        # As in Logstash, what belongs to a protocol that is not asked for changes nothing.
        (f'ssl_truststore_location => "x.jks" {PLAIN}', {}),
    ],
)
def test_the_input_says_what_is_read_and_from_where(options: str, expected: dict[str, Any]) -> None:
    found = values(INPUT % options)

    assert found["kafka"] == {**USUAL, **expected}
    assert found["role"] == "index"


def test_with_an_input_for_beats_the_port_is_open() -> None:
    assert "role" not in values("input { beats { port => 5044 } kafka { } }")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('auto_offset_reset => "none"', "auto_offset_reset none is not supported"),
        ('topics_pattern => "(?i)app"', r"cannot be followed from '(?i)app' on"),
        ("security_protocol => SASL_SSL", "sasl_mechanism GSSAPI is not supported"),
        (
            'security_protocol => SASL_SSL sasl_mechanism => "PLAIN"',
            "asks for a login: write sasl_jaas_config",
        ),
        (
            'security_protocol => SASL_SSL sasl_mechanism => "PLAIN" sasl_jaas_config => "x"',
            "PlainLoginModule required username=",
        ),
        (
            f'security_protocol => SASL_SSL sasl_mechanism => "SCRAM-SHA-512" {PLAIN}',
            "ScramLoginModule required",
        ),
        ('security_protocol => SSL ssl_truststore_location => "a.jks"', "export PEM files"),
        (
            'security_protocol => SSL ssl_keystore_location => "a" ssl_keystore_type => "PKCS12"',
            'ssl_keystore_type => "PEM"',
        ),
        (
            'security_protocol => SSL ssl_truststore_password => "p"',
            "ssl_key_password opens an encrypted key",
        ),
        (
            'security_protocol => SSL ssl_endpoint_identification_algorithm => ""',
            "names in the brokers' certificates are always compared",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_at_its_place(options: str, sentence: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"a\.conf:1:") as error:
        values(INPUT % options)

    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        (r"app-\d+", ["app-12"], ["app-", "x-app-1"]),
        (r"(?:a|b)[\w.-]*", ["a", "b.c-d_9"], ["c"]),
        (r"logs\.[a-z0-9]{2,3}", ["logs.ab"], ["logs-ab", "logs.abcd"]),
        ("a|b", ["a", "b"], ["ax"]),
        ("[^x]y?.+?", ["ay-", "ab"], ["xy"]),
    ],
)
def test_a_pattern_means_the_same_in_the_words_of_the_client(
    pattern: str, fits: list[str], not_fits: list[str]
) -> None:
    (topic,) = values(INPUT % f'topics_pattern => "{pattern}"')["kafka"]["topics"]

    assert "\\d" not in topic
    assert "?:" not in topic
    assert all(re.search(topic, one) for one in fits)
    assert not any(re.search(topic, one) for one in not_fits)
    assert all(re.fullmatch(pattern, one) for one in fits)


def test_a_value_that_no_server_can_have_names_its_setting(tmp_path: Path) -> None:
    config = tmp_path / "a.conf"
    config.write_text('input { kafka { bootstrap_servers => "nonsense" } }')

    with pytest.raises(ConfigInvalid, match=r"kafka\.brokers.*nonsense"):
        settings_of(config, {})


def test_the_config_is_a_server_without_a_port_for_beats(tmp_path: Path) -> None:
    config = tmp_path / "a.conf"
    config.write_text('input { kafka { topics => ["a"] } } output { stdout { } }')

    settings = settings_of(config, {})

    assert not settings.has_beats_port
    assert settings.kafka is not None
    assert (settings.kafka.topics, settings.kafka.start) == (("a",), "latest")


# --- outputs --------------------------------------------------------------------------------


def test_outputs_of_one_cluster_are_one_sink() -> None:
    output = """kafka { topic_id => "%s" bootstrap_servers => "k:9092" compression_type => "zstd"
      max_request_size => 2000000 client_id => "c" }"""

    found = values(f"output {{ {output % 'a'} {output % 'b'} elasticsearch {{ }} }}")["sinks"]

    assert found["kafka"] == {
        "brokers": "k:9092",
        "client_id": "c",
        "compression": "zstd",
        "record_bytes": 2_000_000,
    }
    assert found["elasticsearch"] == {"hosts": ["http://127.0.0.1:9200"]}


def test_outputs_that_differ_are_refused_with_what_differs() -> None:
    text = """output {
      kafka { topic_id => "a" }
      kafka { topic_id => "b" bootstrap_servers => "other:9092" }
    }"""

    with pytest.raises(ConfigInvalid, match=r"a\.conf:3:.*two outputs differ in .* brokers"):
        values(text)
