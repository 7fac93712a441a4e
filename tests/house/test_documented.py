"""README names every command, setting and metric there is."""

from __future__ import annotations

import re
from importlib import import_module

import click
import pytest

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.main import COMMANDS
from ptingest.settings.explain import all_places
from ptingest.settings.parse import dotted
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import METRICS
from tests.support.modules import ROOT


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def has_word(text: str, word: str) -> bool:
    """Say whether ``word`` stands there whole, not as a part of a longer name."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def test_every_command_is_in_the_readme(readme: str) -> None:
    missing = [f"ptingest {name}" for name in COMMANDS if not has_word(readme, f"ptingest {name}")]

    assert missing == [], f"README's table of commands lacks: {', '.join(missing)}"


def test_every_subcommand_is_in_the_readme(readme: str) -> None:
    groups = {
        name: command
        for name, row in COMMANDS.items()
        if isinstance(command := getattr(import_module(row.module), row.attribute), click.Group)
    }
    missing = [
        f"{name} {inner}"
        for name, command in groups.items()
        for inner in command.commands
        if not has_word(readme, inner)
    ]

    assert missing == [], f"README's table of commands lacks: {', '.join(missing)}"


def test_every_exit_code_is_in_the_readme(readme: str) -> None:
    line = next(line for line in readme.splitlines() if line.startswith("Exit codes:"))

    assert re.findall(r"\d", line) == [str(code.value) for code in ExitCode]


def test_every_setting_is_in_the_readme(readme: str) -> None:
    missing = [
        dotted(place)
        for place in all_places(ServerSettings)
        if not has_word(readme, str(place[-1]))
    ]

    assert missing == [], f"README's table of settings lacks: {', '.join(missing)}"


def test_every_metric_is_in_the_readme(readme: str) -> None:
    missing = [row.name for row in METRICS if not has_word(readme, row.name)]

    assert missing == [], f"README's list of metrics lacks: {', '.join(missing)}"


def test_the_readme_names_no_metric_that_does_not_exist(readme: str) -> None:
    known = {row.name for row in METRICS}
    rooms = {name.split("_")[1] for name in known}

    named = {
        name
        for name in re.findall(r"ptingest_[a-z_]+", readme)
        if name.split("_")[1] in rooms and not name.endswith("_")
    }

    assert named - known == set()
