"""Settings from the input and output sections of a logstash.conf."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.server.logstash_settings import server_values, settings_of
from ptingest.settings.logstash import ConfFile, LogstashSettings

INPUT = "input { beats { port => 5044 %s } }"
OUTPUT = "output { elasticsearch { %s } }"
CLOUD = base64.b64encode(b"eu.example.com:9243$abc$kib").decode()


def values(text: str) -> dict[str, Any]:
    rules = LogstashSettings(files=(ConfFile(name="a.conf", text=text),), folder="/")
    return server_values(compile_logstash(rules))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", {"listen": "0.0.0.0:5044"}),
        ('host => "::1"', {"listen": "[::1]:5044"}),
        (
            "client_inactivity_timeout => 120 ssl_handshake_timeout => 5000",
            {
                "listen": "0.0.0.0:5044",
                "limits": {"idle_seconds": 120.0, "handshake_seconds": 5.0},
            },
        ),
    ],
)
def test_the_input_says_the_port_and_its_limits(options: str, expected: dict[str, Any]) -> None:
    assert values(INPUT % options)["beats"] == expected


PAIR = 'ssl_certificate => "c.pem" ssl_key => "k.pem"'


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (f"ssl => true {PAIR}", {}),
        (f"ssl_enabled => true {PAIR}", {}),
        (f'ssl => true {PAIR} ssl_key_passphrase => "p"', {"key_password": "p"}),
        (f'ssl => true {PAIR} ssl_verify_mode => "none"', {}),
        (
            f'ssl => true {PAIR} ssl_verify_mode => "peer" '
            'ssl_certificate_authorities => ["ca.pem"]',
            {"client_ca": "ca.pem", "client_auth": "optional"},
        ),
        (
            f'ssl_enabled => true {PAIR} ssl_client_authentication => "required" '
            'ssl_certificate_authorities => "ca.pem"',
            {"client_ca": "ca.pem", "client_auth": "required"},
        ),
        (f"ssl => true {PAIR} tls_min_version => 1.3", {"min_version": "1.3"}),
        (f"ssl => true {PAIR} tls_min_version => 1", {}),
        (f'ssl => true {PAIR} ssl_supported_protocols => ["TLSv1.3"]', {"min_version": "1.3"}),
        (f'ssl => true {PAIR} ssl_supported_protocols => ["TLSv1.2", "TLSv1.3"]', {}),
    ],
)
def test_tls_has_its_options_under_all_names(options: str, expected: dict[str, Any]) -> None:
    assert values(INPUT % options)["beats"]["tls"] == {
        "certificate": "c.pem", "key": "k.pem", **expected,
    }  # fmt: skip


def test_without_ssl_a_certificate_changes_nothing() -> None:
    assert "tls" not in values(INPUT % PAIR)["beats"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", {"hosts": ["http://127.0.0.1:9200"]}),
        ('hosts => "es"', {"hosts": ["http://es:9200"]}),
        ('hosts => ["es:9201", "https://b"]', {"hosts": ["http://es:9201", "https://b:9200"]}),
        ('hosts => ["[::1]"]', {"hosts": ["http://[::1]:9200"]}),
        ("hosts => es ssl => true", {"hosts": ["https://es:9200"]}),
        ('hosts => "https://es:443/below"', {"hosts": ["https://es:443/below"]}),
        ('hosts => "es" path => "/below"', {"hosts": ["http://es:9200/below"]}),
        (f'cloud_id => "name:{CLOUD}"', {"hosts": ["https://abc.eu.example.com:9243"]}),
        (
            'user => "u" password => "p"',
            {"hosts": ["http://127.0.0.1:9200"], "username": "u", "password": "p"},
        ),
        (
            'cloud_auth => "u:p:q"',
            {"hosts": ["http://127.0.0.1:9200"], "username": "u", "password": "p:q"},
        ),
        ('api_key => "i:k"', {"hosts": ["http://127.0.0.1:9200"], "api_key": "i:k"}),
        ('cacert => "ca.pem"', {"hosts": ["http://127.0.0.1:9200"], "ca_file": "ca.pem"}),
        (
            'ssl_certificate => "c" ssl_key => "k" ssl_certificate_authorities => ["ca"]',
            {
                "hosts": ["http://127.0.0.1:9200"], "ca_file": "ca", "certificate": "c",
                "key": "k",
            },
        ),
    ],
)  # fmt: skip
def test_the_output_says_where_and_as_whom(options: str, expected: dict[str, Any]) -> None:
    assert values(OUTPUT % options)["sinks"] == {"elasticsearch": expected}


def test_each_cluster_is_a_sink_and_so_are_files_and_standard_output() -> None:
    found = values(
        """output {
          elasticsearch { hosts => "a" } elasticsearch { hosts => "a" index => "x" }
          elasticsearch { hosts => "b" id => "archive" }
          file { path => "/x" } stdout { }
        }"""
    )["sinks"]

    assert found == {
        "elasticsearch": {"hosts": ["http://a:9200"]},
        "clusters": {"archive": {"hosts": ["http://b:9200"]}},
        "file": {},
        "stdout": {},
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (INPUT % "ssl => true", "ssl_certificate names no certificate"),
        (INPUT % f'ssl => true {PAIR} ssl_verify_mode => "peer"', "of no authority"),
        (
            INPUT % f'ssl => true {PAIR} ssl_verify_mode => "peer" '
            'ssl_certificate_authorities => ["a", "b"]',
            "put them into one PEM file",
        ),
        (OUTPUT % 'cloud_id => "nonsense"', "cloud_id is none"),
        (OUTPUT % 'proxy => "http://p"', "proxies"),
        (OUTPUT % 'ssl_verification_mode => "none"', "always verified"),
    ],
)
def test_what_cannot_be_followed_is_refused_at_its_place(text: str, sentence: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"a\.conf:1:") as error:
        values(text)

    assert sentence in str(error.value)


def test_a_value_that_no_server_can_have_names_its_setting_and_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "a.conf"
    config.write_text(
        """input { beats { port => 70000 } }
        output { elasticsearch { user => "u" password => "hush" } }"""
    )

    with pytest.raises(ConfigInvalid, match=r"beats\.listen.*70000") as error:
        settings_of(config, {})

    assert "hush" not in str(error.value)
