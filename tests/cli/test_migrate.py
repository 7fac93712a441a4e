"""`ptingest migrate`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ptingest.cli.check import check
from ptingest.cli.migrate import migrate

EXACT = """input { beats { port => 5044 } }
output { elasticsearch { hosts => ["http://localhost:9200"] index => "x" } }"""
DIFFERENT = EXACT.replace("index =>", "pool_max => 5 index =>")
REFUSED = 'filter { ruby { code => "x" } }' + EXACT


def run(*arguments: object) -> Result:
    return CliRunner().invoke(migrate, [str(one) for one in arguments], standalone_mode=False)


@pytest.mark.parametrize(("text", "code"), [(EXACT, 0), (DIFFERENT, 1), (REFUSED, 3)])
def test_the_exit_code_tells_the_worst(tmp_path: Path, text: str, code: int) -> None:
    config = tmp_path / "a.conf"
    config.write_text(text)

    done = run(config, "--to", tmp_path / "out", "--dry-run")

    assert done.return_value == code
    assert not (tmp_path / "out").exists()
    assert "exact" in done.output


def test_what_is_written_works_and_holds_the_config_as_it_is(tmp_path: Path) -> None:
    config, out = tmp_path / "a.conf", tmp_path / "out"
    config.write_text(DIFFERENT)

    run(config, "--to", out)

    assert (out / "logstash" / "00-a.conf").read_text() == DIFFERENT
    assert "elasticsearch.pool_max: the sink here" in (out / "migration.txt").read_text()
    checked = CliRunner().invoke(
        check, ["--config", str(out / "ptingest.yaml")], standalone_mode=False
    )
    assert checked.return_value == 0, checked.output


def test_each_pipeline_of_pipelines_yml_has_a_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.conf").write_text(EXACT)
    listed = tmp_path / "pipelines.yml"
    listed.write_text(
        "- {pipeline.id: one, path.config: a.conf}\n- {pipeline.id: two, path.config: b.conf}\n"
    )

    run(listed, "--to", tmp_path / "out")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "two"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    config = tmp_path / "a.conf"
    config.write_text(EXACT)
    run(config, "--to", tmp_path / "out")

    done = CliRunner().invoke(migrate, [str(config), "--to", str(tmp_path / "out")])

    assert done.exit_code == 2
    assert "is there already" in done.output


@pytest.mark.parametrize(
    ("name", "text", "seen"),
    [
        ("logstash.yml", "a: 1", "no *.conf"),
        ("pipelines.yml", "- {pipeline.id: x}", "path.config"),
        ("pipelines.yml", "- {pipeline.id: x, path.config: none/*.conf}", "fits no file"),
        ("pipelines.yml", "- [", "cannot be read as YAML"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, name: str, text: str, seen: str) -> None:
    (tmp_path / name).write_text(text)

    done = CliRunner().invoke(migrate, [str(tmp_path / name), "--dry-run"])

    assert done.exit_code == 2
    assert seen in done.output
