"""A Logstash installation as servers of ptingest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.tools.migration import Migration, migrate, pipelines_in

CONFIG = """input { beats { port => 5045 ssl => true ssl_certificate => "certs/c.pem" } }
filter { mutate { } }
output { elasticsearch { hosts => "${ES:localhost}" user => "u" password => "${PASSWORD}" } }
"""


def migrated(
    folder: Path, text: str = CONFIG, environ: dict[str, str] | None = None, **settings: Any
) -> Migration:
    config = folder / "a.conf"
    config.write_text(text)
    return migrate("main", [config], settings, environ or {})


@pytest.mark.parametrize("environ", [{}, {"PASSWORD": "hush", "ES": "es"}])
def test_variables_stay_as_they_are_written_set_or_not(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    values = migrated(tmp_path, environ=environ).values

    assert values["sinks"]["elasticsearch"] == {
        "hosts": ["http://${ES:localhost}:9200"], "username": "u", "password": "${PASSWORD}",
    }  # fmt: skip


def test_files_count_from_where_the_config_was(tmp_path: Path) -> None:
    values = migrated(tmp_path).values

    assert values["beats"] == {
        "listen": "0.0.0.0:5045", "tls": {"certificate": f"{tmp_path}/certs/c.pem"},
    }  # fmt: skip
    assert values["profile"] == "logstash"


def test_every_setting_of_logstash_yml_has_a_row(tmp_path: Path) -> None:
    found = migrated(
        tmp_path,
        pipeline={"ecs_compatibility": "disabled", "workers": 8},
        config={"support_escapes": True},
        api={"http": {"port": 9601}},
        queue={"type": "persisted"},
        log={"level": "warn"},
        strange=1,
    )

    assert found.values["logstash_config"] == {
        "ecs_compatibility": "disabled",
        "support_escapes": True,
    }
    assert found.values["api"] == {"listen": "127.0.0.1:9601"}
    assert found.values["log"] == {"level": "warning"}
    assert found.configs.ecs_compatibility == "disabled"
    rows = {row.name: row for row in found.rows if row.place == "logstash.yml"}
    assert [row.judgement for row in rows.values()] == [
        "exact", "different", "exact", "exact", "different", "exact", "different",
    ]  # fmt: skip
    assert all(row.how for row in rows.values() if row.judgement == "different")
    assert found.worst == "different"


@pytest.mark.parametrize(
    "text",
    [
        'filter { ruby { code => "x" } }',
        "input { tcp { port => 1 } }",
        "filter { if [a] =~ /(/ { drop {} } }",
        'output { elasticsearch { proxy => "http://p" } }',
    ],
)
def test_what_cannot_be_run_is_a_row_and_not_an_exception(tmp_path: Path, text: str) -> None:
    found = migrated(tmp_path, text)

    refused = [row for row in found.rows if row.judgement == "refused"]
    assert refused
    assert all(row.place.startswith(f"{tmp_path}/a.conf:1:") for row in refused)
    assert found.worst == "refused"


def test_a_file_that_cannot_be_parsed_is_an_invalid_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"a\.conf:1:"):
        migrated(tmp_path, "filter {")


def test_each_pipeline_has_its_files_and_settings(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    for name in ("b.conf", "a.conf"):
        (tmp_path / name).touch()
    listed: list[dict[str, Any]] = [
        {"pipeline.id": "one", "path.config": "*.conf", "pipeline": {"workers": 1}},
        {"pipeline.id": "two", "path.config": str(tmp_path / "conf.d")},
    ]

    assert list(pipelines_in(listed, tmp_path)) == [
        ("one", [tmp_path / "a.conf", tmp_path / "b.conf"], {"pipeline.workers": 1}),
        ("two", [tmp_path / "conf.d"], {}),
    ]
    with pytest.raises(ValueError, match=r"config\.string"):
        list(pipelines_in([{"pipeline.id": "x", "config.string": "y"}], tmp_path))


def test_an_option_that_a_server_cannot_follow_has_one_row_and_is_refused(tmp_path: Path) -> None:
    text = CONFIG.replace("user =>", 'proxy => "http://p:3128" user =>')
    rows = [row for row in migrated(tmp_path, text).rows if "proxy" in row.name + row.how]

    assert [(row.name, row.judgement) for row in rows] == [
        ("output elasticsearch.proxy", "refused")
    ]
