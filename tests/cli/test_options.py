"""Options that commands share."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ptingest.cli.options import config_option, load_settings
from ptingest.errors import ConfigInvalid


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
