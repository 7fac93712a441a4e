"""The input section."""

from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.inputs import beats_inputs
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

    (found,) = beats_inputs(config, has_ecs=True)

    assert (found.options["port"], found.options["host"]) == (5044, "::")
    assert found.options["ssl_key_passphrase"] == "p"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("input { tcp { port => 1 } }", "the input tcp is not supported"),
        ('input { kafka { topics => ["a"] } }', "topics are read by the section kafka"),
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
        beats_inputs(parse(text, {}, file="a.conf"), has_ecs=True)

    assert sentence in error.value.sentence


def test_a_config_without_an_input_has_none() -> None:
    assert beats_inputs(parse("filter { }", {}, file="a.conf"), has_ecs=True) == []
