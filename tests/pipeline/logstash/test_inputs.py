"""The input section."""

from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.inputs import Inputs, inputs_of
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.parse import parse


def test_the_options_of_all_releases_are_known() -> None:
    config = parse(
        """input { beats { port => 5044 host => "::" ssl => true ssl_enabled => true
          ssl_certificate => "c.pem" ssl_key => "k.pem" ssl_key_passphrase => "p"
          ssl_certificate_authorities => ["ca.pem"] ssl_verify_mode => "force_peer"
          ssl_client_authentication => "required" ssl_supported_protocols => ["TLSv1.3"]
          ssl_cipher_suites => ["X"] cipher_suites => ["X"] ssl_handshake_timeout => 10000
          tls_min_version => 1.2 tls_max_version => 1.3 client_inactivity_timeout => 60
          executor_threads => 4 include_codec_tag => false codec => json { } } }""",
        {},
        file="a.conf",
    )

    found = inputs_of(config, has_ecs=True).beats
    assert found is not None

    assert (found.options["port"], found.options["host"]) == (5044, "::")
    assert found.options["ssl_key_passphrase"] == "p"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("input { tcp { port => 1 } }", "the input tcp is not supported"),
        ("input { kafka { } kafka { } }", "a second input of Kafka"),
        ('input { kafka { schema_registry_url => "http://x" } }', "Avro"),
        ('input { kafka { jaas_path => "x" } }', "sasl_jaas_config alone"),
        ('input { kafka { kerberos_config => "x" } }', "Kerberos is not supported"),
        ('input { kafka { codec => "avro" } }', "the codec avro is not supported"),
        ('input { kafka { codec => json { target => "x" } } }', "target of the codec json"),
        ('input { kafka { codec => plain { charset => "CP1252" } } }', "charset of the codec"),
        ('input { kafka { key_deserializer_class => "x.Long" } }', "StringDeserializer"),
        ('input { kafka { decorate_events => "all" } }', "must be one of none, basic"),
        ("input { beats { } }", "needs the option 'port'"),
        ("input { beats { port => 1 } beats { port => 2 } }", "a second input for Beats"),
        ('input { beats { port => 1 codec => "cef" } }', "the codec cef is not supported"),
        ('input { beats { port => 1 codec => json { charset => "x" } } }', "options of the codec"),
        ('input { beats { port => 1 enrich => ["x"] } }', "enrich takes"),
        ('input { beats { port => 1 enrich => ["ssl_peer_metadata"] } }', "ssl_peer_metadata"),
        ("input { beats { port => 1 add_hostname => true } }", "Filebeat sends host.name"),
        ("input { if [a] { beats { port => 1 } } }", ""),
    ],
)
def test_what_cannot_be_served_is_refused_at_its_place(text: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig, match=r"a\.conf:1:") as error:
        inputs_of(parse(text, {}, file="a.conf"), has_ecs=True)

    assert sentence in error.value.sentence


def test_a_config_without_an_input_has_none() -> None:
    assert inputs_of(parse("filter { }", {}, file="a.conf"), has_ecs=True) == Inputs()


def test_all_that_is_wrong_is_told_at_once() -> None:
    config = parse("input { tcp { } beats { } kafka { x => 1 } }", {}, file="a.conf")

    with pytest.raises(RefusedConfig) as error:
        inputs_of(config, has_ecs=True)

    assert len(error.value.all) == 3


def test_beats_and_kafka_stand_beside_each_other() -> None:
    config = parse("input { beats { port => 5044 } kafka { } }", {}, file="a.conf")

    found = inputs_of(config, has_ecs=True)

    assert found.beats is not None
    assert found.kafka is not None
    assert found.kafka.options["topics"] == ["logstash"]
