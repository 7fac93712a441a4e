from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from ptingest.cli import send as send_module
from ptingest.cli.send import service_of
from ptingest.tools.shipper.shipper import Progress
from tests.fakes.authority import Authority, tls_settings
from tests.support.command import Ran, run
from tests.support.serving import serving
from tests.support.tcp import tcp_server


async def send(tmp_path: Path, *arguments: str) -> Ran:
    """Run the command in a thread: the server under test lives on this loop."""
    return await asyncio.to_thread(
        run, "send", *arguments, "--registry", "registry.json", folder=tmp_path
    )


async def test_a_file_is_shipped_and_the_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "django.log").write_text("INFO|root|2025-01-02T03:04:05Z|a\nplain\n")
    (tmp_path / "nginx.access.log").write_text("GET /\nGET /x\n")
    async with serving(tmp_path) as server:
        to = f"127.0.0.1:{server.port}"
        first = await send(tmp_path, "django.log", "nginx.access.log", "--to", to)
        second = await send(tmp_path, "django.log", "nginx.access.log", "--to", to)
        (tmp_path / "empty.log").touch()
        third = await send(tmp_path, "empty.log", "--again", "--to", to)
        services = [one.service for one in server.sink.documents]

    assert (first.code, second.code) == (0, 0), first.err
    assert first.out.startswith(b"3 events acked in ")
    assert b"nothing new in these files; --again ships them" in second.out
    assert b"no line in these files" in third.out
    assert services == ["django", "nginx", "nginx"]


async def test_nobody_there_is_code_4_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x\n")

    ran = await send(tmp_path, "a.log", "--to", "127.0.0.1:1")

    assert ran.code == 4
    assert "no server answers at 127.0.0.1:1" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.log"], "missing.log does not exist"),
        (["a.log", "--to", "nowhere"], "is not HOST:PORT"),
        (["a.log", "--to", "h:99999"], "is not HOST:PORT"),
        (["a.log", "--tls-cert", "c"], "need --tls-ca"),
        (["a.log", "--tls-ca", "a", "--tls-key", "k"], "needs --tls-cert"),
    ],
)
def test_a_senseless_command_line_is_code_2(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_text("x\n")

    ran = run("send", *arguments, folder=tmp_path)

    assert ran.code == 2
    assert said in ran.err


def test_a_service_is_guessed_from_the_file_name() -> None:
    assert service_of(Path("/var/log/pt/Django.log.1")) == "django"


async def test_over_tls_with_a_certificate_files_are_shipped(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    web = authority.issue("web-1.example", file="web")
    wanted = {"client_ca": authority.file, "client_auth": "required"}
    (tmp_path / "a.log").write_text("INFO|root|2025-01-02T03:04:05Z|a\n")
    async with serving(tmp_path, tls=tls_settings(authority.server(), **wanted)) as server:
        to = ("--to", f"127.0.0.1:{server.port}", "--tls-ca", authority.file)
        shown = ("--tls-cert", web.certificate, "--tls-key", web.key)

        without = await send(tmp_path, "a.log", *to, "--patience", "0.1")
        with_it = await send(tmp_path, "a.log", *to, *shown)

    assert without.code != 0
    assert "does it want another --tls-cert?" in without.err
    assert with_it.code == 0, with_it.err


async def test_a_server_that_is_not_believed_is_told_at_once(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    (tmp_path / "a.log").write_text("x\n")
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        to = ("--to", f"127.0.0.1:{server.port}")
        ran = await send(tmp_path, "a.log", *to, "--tls-ca", other.file)

    assert ran.code == 4
    assert "is --tls-ca its authority" in ran.err


def test_a_key_that_does_not_fit_is_code_3_with_the_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    web, other = (authority.issue("web", file=name) for name in ("web", "other"))
    (tmp_path / "a.log").write_text("x\n")
    pair = ("--tls-cert", web.certificate, "--tls-key", other.key)

    ran = run("send", "a.log", "--tls-ca", authority.file, *pair, folder=tmp_path)

    assert ran.code == 3
    assert other.key in ran.err


async def test_what_it_does_while_it_tries_again_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x\n")

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with tcp_server(close) as port:
        ran = await send(tmp_path, "a.log", "--to", f"127.0.0.1:{port}", "--patience", "0.1")

    assert ran.code == 5
    first = ran.err.splitlines()[0]
    assert first.startswith(f"0 acked so far; 127.0.0.1:{port}: ")
    assert "trying again in 0.5 s, for the last time (--patience)" in first


def test_progress_gives_no_advice_that_is_for_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(send_module, "REPORT_SECONDS", 0.0)

    send_module._Lines().show(Progress(read=10, acked=4, seconds=2.0))

    assert capsys.readouterr().err == "4 acked so far; 2 events/s\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"x\n"), "a.log is compressed (gzip)"),
        ("INFO|a|b|c\n".encode("utf-16"), "a.log is UTF-16"),
        ("INFO|a|b|c\n".encode("utf-8-sig"), "a.log begins with a byte order mark"),
    ],
    ids=["gzip", "utf-16", "mark"],
)
async def test_a_file_whose_lines_fit_no_pattern_is_warned_of_and_shipped(
    content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(content)
    async with serving(tmp_path) as server:
        ran = await send(tmp_path, "a.log", "--to", f"127.0.0.1:{server.port}")

    assert ran.code == 0
    assert ran.err.startswith("warning: ")
    assert words in ran.err
