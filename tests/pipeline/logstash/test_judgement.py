"""What becomes of each plugin and option."""

from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.judgement import rows_of
from ptingest.pipeline.logstash.parse import parse

CONFIG = """
input { beats { port => 5044 ssl_cipher_suites => ["X"] } tcp { port => 1 } }
filter {
  if [a] { mutate { id => "m" periodic_flush => true } ruby { code => "x" } }
}
output { elasticsearch { proxy => "x" version => "1" pool_max => 5 nonsense => 1 } }
"""


def test_every_plugin_and_option_has_a_row() -> None:
    rows = rows_of(parse(CONFIG, {}, file="a.conf"))

    assert [(row.plugin, row.option, row.judgement) for row in rows] == [
        ("beats", "", "exact"),
        ("beats", "port", "exact"),
        ("beats", "ssl_cipher_suites", "different"),
        ("tcp", "", "refused"),
        ("mutate", "", "exact"),
        ("mutate", "id", "exact"),
        ("mutate", "periodic_flush", "different"),
        ("ruby", "", "refused"),
        ("elasticsearch", "", "exact"),
        ("elasticsearch", "proxy", "exact"),
        ("elasticsearch", "version", "refused"),
        ("elasticsearch", "pool_max", "different"),
        ("elasticsearch", "nonsense", "refused"),
    ]
    assert all(row.how for row in rows if row.judgement != "exact")
    assert rows[1].place == "a.conf:2:17"


@pytest.mark.parametrize(
    ("option", "judgement"),
    [
        ('ssl_supported_protocols => ["TLSv1.2", "TLSv1.3"]', "exact"),
        ('ssl_supported_protocols => ["TLSv1.3"]', "exact"),
        ('ssl_supported_protocols => "TLSv1.2"', "different"),
        ('ssl_supported_protocols => ["TLSv1.1", "TLSv1.2"]', "different"),
        ("tls_min_version => 1.3", "exact"),
        ("tls_min_version => 1", "different"),
    ],
)
def test_versions_of_tls_that_are_not_spoken_alone_are_told(option: str, judgement: str) -> None:
    rows = rows_of(parse(f"input {{ beats {{ port => 1 {option} }} }}", {}, file="a.conf"))

    assert rows[-1].judgement == judgement


def test_each_option_of_an_input_kafka_is_judged() -> None:
    config = parse(
        """input { kafka {
          topics => ["a"] consumer_threads => 2 auto_offset_reset => "earliest"
          kerberos_config => "x"
        } }""",
        {},
        file="a.conf",
    )

    judged = {row.option: row.judgement for row in rows_of(config)}

    assert judged == {
        "": "exact",
        "topics": "exact",
        "consumer_threads": "different",
        "auto_offset_reset": "different",
        "kerberos_config": "refused",
    }


@pytest.mark.parametrize(("acks", "judgement"), [("all", "exact"), ("1", "different")])
def test_only_acks_of_all_replicas_are_what_is_done(acks: str, judgement: str) -> None:
    config = parse(
        f'output {{ kafka {{ topic_id => "t" acks => "{acks}" retries => 3 }} }}',
        {},
        file="a.conf",
    )

    judged = {row.option: row.judgement for row in rows_of(config)}

    assert judged == {"": "exact", "topic_id": "exact", "acks": judgement, "retries": "different"}
