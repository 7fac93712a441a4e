"""A config file is a ptingest.yaml or a logstash.conf."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.server.config_file import read_settings


def test_each_is_read_in_its_language(tmp_path: Path) -> None:
    yaml, conf = tmp_path / "ptingest.yaml", tmp_path / "logstash.conf"
    yaml.write_text("workers: 2")
    conf.write_text("input { beats { port => 5050 } } output { stdout {} }")

    assert read_settings(yaml, {}).workers == 2
    settings = read_settings(conf, {})
    assert settings.beats.listen == "0.0.0.0:5050"
    assert settings.profile == str(conf)
    assert settings.data_dir == str(tmp_path / "data")
    assert read_settings(None, {}).profile is None


def test_a_missing_file_is_an_invalid_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        read_settings(tmp_path / "logstash.conf", {})
