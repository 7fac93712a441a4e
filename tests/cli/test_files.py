"""`ptingest files`, `config` and `profile`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ptingest.tools.files import FILES
from tests.support.command import run
from tests.support.modules import ROOT


@pytest.mark.parametrize(
    ("command", "source"),
    [("config", "config/ptingest.yaml"), ("profile", "config/pt.yaml")],
)
def test_config_and_profile_print_the_file(tmp_path: Path, command: str, source: str) -> None:
    ran = run(command, folder=tmp_path)

    assert (ran.code, ran.out) == (0, (ROOT / source).read_bytes())


def test_what_is_printed_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(
        run("config", folder=tmp_path).out.replace(b"#profile: pt.yaml", b"profile: pt.yaml")
    )
    (tmp_path / "pt.yaml").write_bytes(run("profile", folder=tmp_path).out)

    assert run("check", "--config", "c.yaml", folder=tmp_path).code == 0


def test_without_a_name_every_file_is_listed_with_its_purpose(tmp_path: Path) -> None:
    listed = run("files", folder=tmp_path).out.decode().splitlines()

    assert [line.split()[0] for line in listed] == [file.name for file in FILES]
    assert all(line.endswith(file.purpose) for line, file in zip(listed, FILES, strict=True))


def test_a_file_is_printed_by_its_name(tmp_path: Path) -> None:
    ran = run("files", "alerts.yml", folder=tmp_path)

    assert ran.out == (ROOT / "deploy/prometheus/alerts.yml").read_bytes()


def test_an_unknown_name_is_answered_with_those_there_are(tmp_path: Path) -> None:
    ran = run("files", "alert.yml", folder=tmp_path)

    assert ran.code == 2
    assert "alerts.yml, grafana.json" in ran.err


def test_files_are_written_once_and_what_differs_is_kept(tmp_path: Path) -> None:
    first = run("files", "--to", tmp_path, folder=tmp_path)
    (tmp_path / "rules.yml").write_text("groups: []\n")
    again = run("files", "rules.yml", "pt.yaml", "--to", tmp_path, folder=tmp_path)

    assert first.code == 0
    assert {path.name for path in tmp_path.iterdir()} == {file.name for file in FILES}
    assert again.code == 1
    assert f"unchanged {tmp_path / 'pt.yaml'}" in again.out.decode()
    assert "rules.yml: it exists and differs" in again.err
    assert (tmp_path / "rules.yml").read_text() == "groups: []\n"


def test_a_folder_that_is_not_there_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    assert run("files", "pt.yaml", "--to", "nowhere", folder=tmp_path).code == 2


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_may_write_the_files_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run("files", "ptingest.service", "--to", tmp_path, folder=tmp_path)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "ptingest.service").stat().st_mode) == 0o644 & ~umask
