"""`ptingest replay`: what it refuses before anything is read. tests/peers runs it for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.cli.exit_codes import ExitCode
from tests.support.command import Ran, run

KAFKA = "kafka: {brokers: '127.0.0.1:1', topics: [parcels]}\n"


def replay(tmp_path: Path, *options: str, config: str = KAFKA) -> Ran:
    (tmp_path / "ptingest.yaml").write_text(config)
    return run("replay", "--config", "ptingest.yaml", *options, folder=tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--store"], "Missing option '--from'"),
        (["--from", "2h"], "give one of --namespace NAME, --store and --compare"),
        (["--from", "2h", "--store", "--namespace", "x"], "give one of"),
        (["--from", "2h", "--compare"], "--compare needs --profile"),
        (["--from", "yesterday", "--store"], "--from 'yesterday'"),
        (["--from", "1h", "--to", "2h", "--store"], "nothing lies between"),
        (["--from", "1h", "--store", "--rate", "0"], "--rate"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(
    tmp_path: Path, options: list[str], said: str
) -> None:
    done = replay(tmp_path, *options)

    assert (done.code, said in done.err) == (ExitCode.USAGE, True), done.err


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            "sinks: {elasticsearch: {hosts: 'http://127.0.0.1:1'}}\n",
            "neither buffer.kafka nor kafka",
        ),
        (f"{KAFKA}sinks: {{store: {{}}}}\n", "the config has no Elasticsearch"),
    ],
)
def test_a_config_that_has_no_such_place_is_told(tmp_path: Path, config: str, said: str) -> None:
    done = replay(tmp_path, "--from", "2h", "--namespace", "pt_replay", config=config)

    assert (done.code, said in done.err) == (ExitCode.FAILED, True), done.err
    assert not (tmp_path / "data" / "replay" / "pt_replay" / "position.json").exists()
