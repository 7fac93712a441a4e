from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ptingest.cli.send import service_of
from tests.cli.running import Ran, run
from tests.flow.harness import serving


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
        services = [one.service for one in server.sink.documents]

    assert (first.code, second.code) == (0, 0), first.err
    assert first.out.startswith(b"3 events acked in ")
    assert b"nothing new in these files" in second.out
    assert services == ["django", "nginx", "nginx"]


async def test_nobody_there_is_code_4_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x\n")

    ran = await send(tmp_path, "a.log", "--to", "127.0.0.1:1")

    assert ran.code == 4
    assert "nobody answers at 127.0.0.1:1" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.log"], "missing.log does not exist"),
        (["a.log", "--to", "nowhere"], "is not HOST:PORT"),
        (["a.log", "--to", "h:99999"], "is not HOST:PORT"),
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
