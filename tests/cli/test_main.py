"""The command line as a shell sees it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from ptingest.cli.main import COMMANDS, group
from tests.support.command import run
from tests.support.modules import ROOT
from tests.support.waiting import PATIENCE_SECONDS

NO_CONFIG = {"send", "compare", "config", "profile", "files", "migrate", "prove"}
"""What needs no config of a server: it ships to one, or reads files alone."""
HEAVY = {"aiohttp", "asyncio", "elasticsearch", "lark", "pydantic", "rich", "yaml", "msgspec"}


def commands() -> list[tuple[str, click.Command]]:
    """Every command and subcommand with the words that call it."""
    found: list[tuple[str, click.Command]] = []
    for name, row in COMMANDS.items():
        command = getattr(import_module(row.module), row.attribute)
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", one) for inner, one in command.commands.items()]
    return found


def test_the_help_lists_every_command_without_importing_one(tmp_path: Path) -> None:
    ran = run("--help", folder=tmp_path)

    assert ran.code == 0
    assert all(f"  {name} " in ran.out.decode() for name in COMMANDS)


@pytest.mark.parametrize(("words", "command"), commands(), ids=str)
def test_every_command_shows_an_example_in_its_help(words: str, command: click.Command) -> None:
    shown = command.get_help(click.Context(command, info_name=f"ptingest {words}"))

    usage, *rest = shown.splitlines()
    assert usage.startswith(f"Usage: ptingest {words}")
    assert any(f"ptingest {words}" in line for line in rest)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_config_after_its_name(name: str) -> None:
    row = COMMANDS[name]
    command = getattr(import_module(row.module), row.attribute)
    ends = list(command.commands.values()) if isinstance(command, click.Group) else [command]

    for end in ends:
        if name not in NO_CONFIG:
            assert "config" in {parameter.name for parameter in end.params}


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, ptingest.cli.main; print(*{name.partition('.')[0] for name in sys.modules})"

    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )

    assert HEAVY.isdisjoint(loaded.stdout.decode().split())


def test_without_anything_it_shows_its_help(tmp_path: Path) -> None:
    ran = run(folder=tmp_path)

    assert ran.code == 0
    assert ran.out.startswith(b"Usage: ptingest")


def test_the_version_is_the_packages() -> None:
    project = (ROOT / "pyproject.toml").read_text()

    assert 'ptingest = "ptingest.cli.entry:main"' in project
    assert any(parameter.name == "version" for parameter in group.params)


def test_a_config_without_a_command_means_serve(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("beats: {listen: nowhere}\n")

    bare = run("--config", "c.yaml", folder=tmp_path)
    named = run("serve", "--config", "c.yaml", folder=tmp_path)

    assert bare == named
    assert bare.code == 3
    assert "c.yaml:1: beats.listen is 'nowhere'" in bare.err


def test_a_config_before_a_command_is_that_commands(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("wrokers: 1\n")

    ran = run("--config", "c.yaml", "check", folder=tmp_path)

    assert ran.code == 3
    assert "did you mean workers?" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["chek"], 2, "Did you mean 'check'?", id="a misspelled command"),
        pytest.param(["frobnicate"], 2, "Commands: serve, check", id="no such command"),
        pytest.param(["check", "--colour"], 2, "No such option", id="no such option"),
        pytest.param(["check", "--config", "no.yaml"], 3, "No such file", id="no such config"),
    ],
)
def test_what_goes_wrong_is_one_message_and_a_code(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    ran = run(*arguments, folder=tmp_path)

    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == b""


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ptingest.cli.main", "--help"]
    reader, writer = subprocess.Popen, subprocess.PIPE
    with reader(["true"], stdin=writer) as gone:
        gone.wait()
        assert gone.stdin is not None

        ran = subprocess.run(
            command,
            stdout=gone.stdin.fileno(),
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    assert ran.stderr == b""
    assert ran.returncode == 128 + 13
