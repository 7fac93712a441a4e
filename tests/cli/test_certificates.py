"""What `ptingest check` says of TLS and of open doors."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ptingest.cli.certificates import look_at_certificates, look_at_ports, show_access
from ptingest.model.finding import Finding
from ptingest.settings.server import ServerSettings
from tests.fakes.authority import Authority, tls_settings
from tests.support.command import run

ES = {"hosts": ["https://es:9200"]}


def of(**settings: Any) -> list[Finding]:
    made = ServerSettings.model_validate(settings)
    return list(look_at_certificates(made, now=time.time()))


def test_what_fits_is_told_with_the_time_it_is_valid(authority: Authority) -> None:
    expires = datetime.now(UTC) + timedelta(days=100)
    pair = authority.issue("localhost", file="server", expires=expires)
    tls = tls_settings(pair, client_ca=authority.file, client_auth="required")

    findings = of(beats={"tls": tls}, api={"tls": tls_settings(pair)})

    assert [(one.mark, one.subject) for one in findings] == [
        ("ok", "beats.tls.certificate"),
        ("ok", "beats.tls.client_ca"),
        ("ok", "api.tls.certificate"),
    ]
    assert "expires in 100.0 days" in findings[0].found


@pytest.mark.parametrize(
    ("days", "mark", "said"),
    [
        (5, "warning", "expires in 5.0 days"),
        (-3, "problem", "expired 3.0 days ago"),
    ],
    ids=["soon", "over"],
)
def test_a_certificate_near_its_end_or_beyond_is_named(
    authority: Authority, days: int, mark: str, said: str
) -> None:
    pair = authority.issue(
        "localhost", file="server", expires=datetime.now(UTC) + timedelta(days=days)
    )

    (finding,) = of(beats={"tls": tls_settings(pair)})

    assert finding.mark == mark
    assert said in finding.found
    assert pair.certificate in finding.found


def test_a_certificate_of_tomorrow_is_a_problem(authority: Authority) -> None:
    pair = authority.issue("localhost", file="s", begins=datetime.now(UTC) + timedelta(days=1))

    (finding,) = of(beats={"tls": tls_settings(pair)})

    assert finding.mark == "problem"
    assert "valid only in 1.0 days" in finding.found


def test_what_elasticsearch_is_shown_is_looked_at_too(authority: Authority) -> None:
    pair, other = (authority.issue("writer", file=name) for name in ("writer", "other"))
    fits = {**ES, "ca_file": authority.file, **tls_settings(pair)}

    good = of(sinks={"elasticsearch": fits})
    bad = of(sinks={"elasticsearch": {**fits, "key": other.key}})

    assert [(one.mark, one.subject) for one in good] == [
        ("ok", "sinks.elasticsearch.ca_file"),
        ("ok", "sinks.elasticsearch.certificate"),
    ]
    assert (bad[1].mark, bad[1].subject) == ("problem", "sinks.elasticsearch.key")
    assert "does not belong" in bad[1].found


def test_a_key_that_does_not_fit_ends_the_check_with_code_3(
    authority: Authority, tmp_path: Path
) -> None:
    authority.server()
    authority.server("other")
    (tmp_path / "c.yaml").write_text("beats: {tls: {certificate: server.pem, key: other.key}}")

    ran = run("check", "--config", "c.yaml", folder=tmp_path)
    served = run("serve", "--config", "c.yaml", folder=tmp_path)

    assert (ran.code, served.code) == (3, 3)
    assert "beats.tls.key" in ran.out.decode()
    assert f"{tmp_path}/other.key does not belong to the certificate" in served.err


@pytest.mark.parametrize(
    ("settings", "subjects"),
    [
        pytest.param({}, [], id="the defaults"),
        pytest.param({"api": {"listen": "0.0.0.0:1"}}, ["api.listen"], id="status for everybody"),
        pytest.param({"api": {"listen": "[::]:1"}}, ["api.listen"], id="the same in IPv6"),
        pytest.param({"api": {"listen": "localhost:1"}}, [], id="loopback by name"),
        pytest.param(
            {"api": {"listen": "0.0.0.0:1", "token": "t"}}, ["api.token"], id="a readable token"
        ),
        pytest.param(
            {"beats": {"proxy_protocol_from": ["0.0.0.0/0"]}},
            ["beats.proxy_protocol_from"],
            id="everybody a load balancer",
        ),
        pytest.param(
            {"sinks": {"elasticsearch": {"hosts": ["http://es:9200"], "ca_file": "c"}}},
            ["sinks.elasticsearch.ca_file"],
            id="an authority for nothing",
        ),
    ],
)
def test_doors_open_wider_than_one_thinks_are_named(
    settings: dict[str, Any], subjects: list[str]
) -> None:
    findings = look_at_ports(ServerSettings.model_validate(settings))

    assert [(one.mark, one.subject) for one in findings] == [("warning", name) for name in subjects]


def test_the_summary_says_who_may_come_in() -> None:
    tls = {"certificate": "c", "client_ca": "a", "client_auth": "required", "allow": ["x"]}
    beats = {"tls": tls, "allow_from": ["10.0.0.0/8"], "proxy_protocol_from": ["10.0.0.7"]}

    assert show_access(ServerSettings()) == "no TLS"
    assert show_access(ServerSettings.model_validate({"beats": beats})) == (
        "TLS, client certificates: required, 1 named, from 10.0.0.0/8, PROXY headers from 10.0.0.7"
    )
