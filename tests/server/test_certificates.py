"""Certificates in force: what is offered, what is told, what a change of files does."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import TlsUnusable
from ptingest.server.certificates import Certificates, prepare
from ptingest.server.process.clock import SystemClock
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.authority import Authority, Pair, tls_settings
from tests.fakes.clock import ManualClock
from tests.support.waiting import until

RELOADS = "ptingest_worker_certificate_reloads_total"


def tls_server_settings(pair: Pair, **more: Any) -> ServerSettings:
    return ServerSettings.model_validate({"beats": {"tls": tls_settings(pair, **more)}})


def certificates_of(settings: ServerSettings, metrics: Metrics | None = None) -> Certificates:
    return Certificates(settings, metrics=metrics or Metrics(), clock=SystemClock())


def test_without_tls_there_is_no_context() -> None:
    certificates = certificates_of(ServerSettings())

    assert certificates.beats() is None
    assert certificates.api is None
    assert certificates.status() == {"trouble": None, "files": []}


def test_only_modern_tls_is_offered(authority: Authority) -> None:
    context = prepare(tls_server_settings(authority.server())).beats

    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_TICKET
    assert context.num_tickets == 0
    assert context.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("auth", "mode"), [("optional", ssl.CERT_OPTIONAL), ("required", ssl.CERT_REQUIRED)]
)
def test_beats_are_asked_as_the_settings_say(
    authority: Authority, auth: str, mode: ssl.VerifyMode
) -> None:
    settings = tls_server_settings(authority.server(), client_ca=authority.file, client_auth=auth)

    context = prepare(settings).beats

    assert context is not None
    assert context.verify_mode == mode
    assert len(context.get_ca_certs()) == 1


def test_the_end_of_a_certificate_is_a_metric_and_in_the_status(authority: Authority) -> None:
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=40)
    metrics = Metrics()
    pair = authority.issue("localhost", file="server", expires=expires)

    certificates = certificates_of(tls_server_settings(pair), metrics)

    name = "ptingest_worker_certificate_expiry_seconds"
    assert metrics.value(name, "beats.tls.certificate") == expires.timestamp()
    files: Any = certificates.status()["files"]
    assert files[0]["file"] == pair.certificate
    assert 39.9 < files[0]["expires_in_days"] <= 40


def test_a_certificate_that_is_over_is_told_at_start_with_its_file(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    pair = authority.issue("localhost", file="old", expires=datetime(2020, 1, 1, tzinfo=UTC))

    certificates_of(tls_server_settings(pair))

    assert f"beats.tls.certificate: the certificate in {pair.certificate} expired" in caplog.text


def test_a_certificate_near_its_end_is_told_again_each_day(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    clock = ManualClock(time_ns=int(now.timestamp()) * 10**9)
    pair = authority.issue("localhost", file="server", expires=now + timedelta(days=10))
    certificates = Certificates(tls_server_settings(pair), metrics=Metrics(), clock=clock)

    certificates.look()
    once = len(caplog.records)
    clock.advance(90_000)
    certificates.look()

    assert (once, len(caplog.records)) == (1, 2)


def test_files_that_do_not_change_are_not_read_again(authority: Authority) -> None:
    metrics = Metrics()
    certificates = certificates_of(tls_server_settings(authority.server()), metrics)

    certificates.look()

    assert metrics.value(RELOADS, "done") == metrics.value(RELOADS, "refused") == 0


def test_a_link_that_is_swapped_is_a_change(authority: Authority, tmp_path: Path) -> None:
    # As Kubernetes replaces a mounted secret: the files stay, the link goes elsewhere.
    for name in ("a", "b"):
        authority.server(name)
    for end in ("pem", "key"):
        (tmp_path / f"live.{end}").symlink_to(tmp_path / f"a.{end}")
    live = tls_settings(Pair(str(tmp_path / "live.pem"), str(tmp_path / "live.key"), None))  # type: ignore[arg-type]
    certificates = certificates_of(ServerSettings.model_validate({"beats": {"tls": live}}))
    first = certificates.beats()
    for end in ("pem", "key"):
        (tmp_path / f"live.{end}").unlink()
        (tmp_path / f"live.{end}").symlink_to(tmp_path / f"b.{end}")

    certificates.look()

    assert certificates.beats() is not first


@pytest.mark.parametrize("loss", ["gone", "unreadable", "half written"])
def test_a_file_that_breaks_changes_nothing_and_is_told_once(
    authority: Authority, caplog: pytest.LogCaptureFixture, loss: str
) -> None:
    pair, metrics = authority.server(), Metrics()
    certificates = certificates_of(tls_server_settings(pair), metrics)
    first = certificates.beats()
    key = Path(pair.key)
    if loss == "gone":
        key.unlink()
    else:
        key.write_bytes(b"" if loss == "unreadable" else key.read_bytes()[:60])

    certificates.look()
    certificates.look()

    assert certificates.beats() is first
    assert metrics.value(RELOADS, "refused") == 1
    assert pair.key in str(certificates.trouble)
    told = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(told) == 1


def test_at_start_a_file_that_does_not_fit_is_an_error(authority: Authority) -> None:
    pair = authority.server()
    Path(pair.key).unlink()

    with pytest.raises(TlsUnusable, match=r"beats\.tls\.key"):
        certificates_of(tls_server_settings(pair))


def test_files_that_change_between_two_reads_end_nothing_and_are_read_again(
    authority: Authority,
) -> None:
    pair, other = authority.server(), authority.server("other")
    api = {"certificate": str(pair.certificate), "key": str(pair.key)}
    settings = ServerSettings.model_validate({"api": {"tls": api}})
    metrics = Metrics()
    certificates = certificates_of(settings, metrics)
    prepared = prepare(settings)
    right = Path(pair.key).read_bytes()
    Path(pair.key).write_bytes(Path(other.key).read_bytes())

    certificates.put_in_force(prepared, settings)

    assert certificates.trouble is not None
    assert metrics.value(RELOADS, "refused") == 1
    Path(pair.key).write_bytes(right)
    certificates.look()
    assert certificates.trouble is None


async def test_a_watcher_finds_a_change_by_itself(authority: Authority) -> None:
    pair = authority.server()
    certificates = certificates_of(tls_server_settings(pair))
    first = certificates.beats()
    watching = asyncio.ensure_future(certificates.watch(0.01))

    authority.server()
    os.utime(pair.key, ns=(1, 1))

    await until(lambda: certificates.beats() is not first)
    watching.cancel()
