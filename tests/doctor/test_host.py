from __future__ import annotations

import asyncio
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from ptingest.doctor.host import (
    Listener,
    certificate_days,
    finding_of_space,
    findings_of_port,
    listeners,
)
from tests.support.tcp import tcp_server


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_who_listens_on_a_port_is_found(family: int, address: str) -> None:
    with socket.socket(family) as listening:
        listening.bind((address, 0))
        listening.listen()

        (found,) = listeners(listening.getsockname()[1])

    assert found.address == address
    assert f"(pid {os.getpid()})" in found.program


def test_a_file_that_a_process_closes_meanwhile_hides_none_of_its_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = tmp_path / "7"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("beats\n")
    (process / "fd" / "0").symlink_to("socket:[42]")
    (tmp_path / "net").mkdir()
    line = "0: 0100007F:13B4 00000000:0000 0A 0:0 0:0 0 0 0 42"
    (tmp_path / "net" / "tcp").write_text(f"head\n{line}\n")
    gone = process / "fd" / "1"

    monkeypatch.setattr(Path, "iterdir", lambda _: iter([gone, process / "fd" / "0"]))

    (found,) = listeners(5044, tmp_path)

    assert found.program == "beats (pid 7)"


def test_a_port_that_nobody_listens_on_has_no_listener() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))

        assert listeners(bound.getsockname()[1]) == []


def test_a_system_without_proc_tells_nothing(tmp_path: Path) -> None:
    assert listeners(5044, tmp_path) == []


@pytest.mark.parametrize(
    ("listen", "found", "mark", "told"),
    [
        ("0.0.0.0:5044", [], "problem", "connection refused"),
        ("0.0.0.0:5044", [Listener("0.0.0.0", "ptingest (pid 1)")], "ok", "ptingest (pid 1)"),
        ("127.0.0.1:5044", [Listener("127.0.0.1", "")], "note", "this machine only"),
        ("0.0.0.0:5044", [Listener("127.0.0.1", "java (pid 2)")], "warning", "loopback only"),
    ],
)
def test_a_port_is_judged_by_who_can_reach_it(
    listen: str, found: list[Listener], mark: str, told: str
) -> None:
    (finding,) = findings_of_port(listen, found)

    assert finding.mark == mark
    assert told in finding.found


def test_the_cure_for_other_hosts_keeps_the_port() -> None:
    (finding,) = findings_of_port("127.0.0.1:6044", [Listener("127.0.0.1", "ptingest (pid 1)")])

    assert 'beats.listen: "0.0.0.0:6044"' in finding.cure


def test_space_is_looked_at_where_the_folder_will_be(tmp_path: Path) -> None:
    finding = finding_of_space(tmp_path / "not" / "made" / "yet")

    assert finding.mark in ("ok", "warning")
    assert "GiB free" in finding.found


def test_a_host_without_a_certificate_has_no_date() -> None:
    assert certificate_days("https://127.0.0.1:9", ssl.create_default_context(), 0.0) is None


@pytest.mark.parametrize("days", [3, 300])
async def test_a_certificate_tells_when_it_expires(days: int) -> None:
    authority, now = trustme.CA(), datetime.now(UTC)
    certificate = authority.issue_cert("localhost", not_after=now + timedelta(days=days))
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    certificate.configure_cert(theirs)

    async def leave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing."""

    async with tcp_server(leave, tls=theirs) as port:
        url = f"https://localhost:{port}"
        left = await asyncio.to_thread(certificate_days, url, ours, now.timestamp())

    assert left == pytest.approx(days, abs=0.01)
