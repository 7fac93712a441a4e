"""Options that commands share."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ptingest.cli import options
from ptingest.cli.options import config_option, load_settings
from ptingest.errors import ConfigInvalid
from tests.support.command import run


@click.command()
@config_option
def example(config: Path | None) -> Path | None:
    return config


def test_a_config_is_a_path_that_need_not_exist_yet() -> None:
    assert example.main(["--config", "no/such.yaml"], standalone_mode=False) == Path("no/such.yaml")
    assert example.main([], standalone_mode=False) is None


def test_settings_take_their_variables_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("log: {level: '${PTINGEST_TEST_LEVEL}'}\n")
    monkeypatch.setenv("PTINGEST_TEST_LEVEL", "debug")

    assert load_settings(path).log.level == "debug"


def test_a_missing_file_is_an_invalid_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        load_settings(tmp_path / "no.yaml")


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The usual config of a host, which is there; no variable names another."""
    path = tmp_path / "etc" / "ptingest.yaml"
    path.parent.mkdir()
    path.write_text("workers: 3\n")
    monkeypatch.setattr(options, "USUAL_CONFIG", path)
    monkeypatch.delenv("PTINGEST_CONFIG", raising=False)
    return path


def chosen(*arguments: str) -> Path | None:
    found: Path | None = example.main(list(arguments), standalone_mode=False)
    return found


def test_without_a_name_the_variable_is_used_then_the_usual_file(
    usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen() == usual

    monkeypatch.setenv("PTINGEST_CONFIG", "/srv/mine.yaml")
    assert chosen() == Path("/srv/mine.yaml")
    assert chosen("--config", "third.yaml") == Path("third.yaml")

    monkeypatch.setenv("PTINGEST_CONFIG", "")
    assert chosen() is None


def test_without_a_usual_file_every_setting_has_its_default(usual: Path) -> None:
    usual.unlink()

    assert chosen() is None


def test_a_usual_file_that_may_not_be_seen_is_not_taken_for_none(
    usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", refuse)

    assert chosen() == usual


@pytest.mark.parametrize(
    "words",
    [("check",), ("--config", "c.yaml", "check"), ("check", "--config", "c.yaml")],
    ids=["by the variable", "before the command", "after the command"],
)
def test_every_way_to_name_a_config_reaches_the_command(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "c.yaml").write_text("workers: 2\n")
    environ = {"PTINGEST_CONFIG": "c.yaml"} if "c.yaml" not in words else {}

    ran = run(*words, folder=tmp_path, environ=environ)

    assert ran.out.startswith(b"c.yaml\n")


def test_a_config_before_a_group_reaches_the_commands_in_it(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data_dir: elsewhere\n")

    ran = run("--config", "c.yaml", "dead-letters", "show", "1-1", folder=tmp_path)

    assert str(tmp_path / "elsewhere") in ran.err


@pytest.mark.parametrize(
    ("words", "environ", "command"),
    [
        (("--config", "c.yaml"), {}, "`ptingest dead-letters list --config c.yaml`"),
        ((), {"PTINGEST_CONFIG": "c.yaml"}, "`ptingest dead-letters list`"),
    ],
    ids=["named", "found without a name"],
)
def test_advice_names_the_config_where_a_copied_command_needs_it(
    tmp_path: Path, words: tuple[str, ...], environ: dict[str, str], command: str
) -> None:
    (tmp_path / "c.yaml").write_text("data_dir: elsewhere\n")

    ran = run("dead-letters", "show", "1-1", *words, folder=tmp_path, environ=environ)

    assert command in ran.err
