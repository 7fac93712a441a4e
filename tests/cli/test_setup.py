from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from ptingest.cli.setup import _keep_key, _target
from ptingest.settings.load import load_server
from ptingest.tools.setup.plan import Wanted
from tests.fakes.kibana import FakeKibana
from tests.support.command import run


@pytest.fixture
def kibana() -> Iterator[FakeKibana]:
    """One on a loop of its own: the command runs its own loop in this thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    fake = FakeKibana()
    asyncio.run_coroutine_threadsafe(fake.__aenter__(), loop).result(5)
    try:
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(fake.__aexit__(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_dry_run_prints_each_request_and_asks_nobody(tmp_path: Path) -> None:
    ran = run(
        *("setup", "--dry-run", "--elasticsearch", "http://127.0.0.1:9", "--kibana", "http://k"),
        folder=tmp_path,
    )

    said = ran.out.decode()
    assert ran.code == 0, ran.err
    for request in (
        "PUT /_component_template/pt@settings",
        "PUT /_component_template/pt@mappings",
        "PUT /_index_template/pt-logs",
        "PUT /_security/role/logstash_writer_pt",
        "PUT /_security/user/logstash_writer",
        "POST kbn:/api/data_views/data_view",
        "POST kbn:/api/saved_objects/_import?overwrite=true",
    ):
        assert request in said
    assert said.count("POST kbn:/api/data_views/data_view") == 7


def test_a_dry_run_shows_no_password(tmp_path: Path) -> None:
    secrets = {"LOGSTASH_WRITER_PASSWORD": "hush-writer", "ELASTIC_PASSWORD": "hush-admin"}

    ran = run("setup", "--dry-run", folder=tmp_path, environ=secrets)

    assert b"hush" not in ran.out
    assert b"<LOGSTASH_WRITER_PASSWORD>" in ran.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["--only", "dashboard"], "--kibana URL", id="a Kibana part without Kibana"),
        pytest.param(["--only", "api-key"], "--api-key FILE", id="a key and nowhere to keep it"),
        pytest.param(["--only", "everything"], "everything", id="a part that does not exist"),
        pytest.param(["--elasticsearch", "es:9200"], "http://", id="an address without a scheme"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    ran = run("setup", *arguments, folder=tmp_path)

    assert ran.code == 2
    assert told in ran.err


def test_nobody_at_the_address_is_not_reachable(tmp_path: Path) -> None:
    ran = run("setup", "--elasticsearch", "http://127.0.0.1:9", folder=tmp_path)

    assert ran.code == 4
    assert "no answer from http://127.0.0.1:9" in ran.err


def test_the_configs_trust_is_kept_and_its_login_is_not(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        "sinks: {elasticsearch: {hosts: [https://es:9200], username: logstash_writer, "
        f"password: w, ca_file: {tmp_path}/ca.pem}}}}\n"
    )

    with mock.patch.dict(os.environ, {"ELASTIC_PASSWORD": "hush"}):
        target = _target(load_server(config, {}), None, None, "elastic", Wanted())

    assert target.admin.hosts == ("https://es:9200",)
    assert target.admin.ca_file == f"{tmp_path}/ca.pem"
    assert target.admin.username == "elastic"
    assert target.writer_password is not None
    assert target.writer_password.get_secret_value() == "w"
    assert "hush" not in repr(target)


def test_kibana_alone_is_prepared_line_by_line(kibana: FakeKibana, tmp_path: Path) -> None:
    parts = ("--only", "data-views", "--only", "searches", "--only", "dashboard")
    command = ("setup", "--kibana", kibana.url, *parts)
    environ = {"ELASTIC_PASSWORD": kibana.login[1]}

    first = run(*command, folder=tmp_path, environ=environ)
    second = run(*command, folder=tmp_path, environ=environ)

    assert (first.code, first.out.count(b"\ncreated")) == (0, 20), first
    assert (second.code, second.out.count(b"\nunchanged")) == (0, 20), second
    assert b"created   dashboard [PT] Overview" in first.out


def test_a_refusal_is_a_failure(kibana: FakeKibana, tmp_path: Path) -> None:
    ran = run(
        *("setup", "--kibana", kibana.url, "--only", "searches"),
        folder=tmp_path,
        environ={"ELASTIC_PASSWORD": kibana.login[1]},
    )

    assert ran.code == 1
    assert ran.out.count(b"refused") == 7


def test_an_api_key_replaces_an_older_file_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)

    _keep_key(path, "id:key")

    assert path.read_text() == "id:key\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
