"""What is installed from a wheel, from an empty Elasticsearch to documents that are found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.elasticsearch_peer import SUPERUSER, Node
from tests.peers.preparing import WRITER, clean
from tests.support.installed import call, install, running, wheel_of_sdist

pytestmark = [pytest.mark.peer, pytest.mark.needs("users"), pytest.mark.timeout(180)]

LINE = b"ERROR|apps.parcels.views|2025-01-02T03:04:05.678|Parcel 42 is lost\n"


@pytest.fixture
def node(bare_elasticsearch: Node) -> Iterator[Node]:
    yield bare_elasticsearch
    clean(bare_elasticsearch)


def test_it_sets_elasticsearch_up_serves_sends_and_searches(node: Node, tmp_path: Path) -> None:
    program = install(wheel_of_sdist(tmp_path / "built"), tmp_path / "home") / "ptingest"
    (tmp_path / "django.log").write_bytes(LINE)
    superuser = {"ELASTIC_PASSWORD": SUPERUSER[1], "LOGSTASH_WRITER_PASSWORD": WRITER[1]}
    setup = (program, "setup", "--elasticsearch", node.url, "--user", SUPERUSER[0])
    sink = {"hosts": [node.url], "username": WRITER[0], "password": WRITER[1]}

    prepared = call(*setup, folder=tmp_path, environ=superuser)
    again = call(*setup, folder=tmp_path, environ=superuser)
    with running(program.parent, tmp_path, sinks={"elasticsearch": sink}) as server:
        config = ("--config", server.config)
        checked = call(program, "check", "--connect", *config, folder=tmp_path)
        call(program, "send", "django.log", "--to", server.beats, folder=tmp_path)
        node.must("POST", "/logs-django-pt/_refresh")
        found = call(program, "search", "log_level:ERROR", "--json", *config, folder=tmp_path)

    assert "created" in prepared
    assert "created" not in again
    assert "The config is valid." in checked
    assert [json.loads(line)["log_message"] for line in found.splitlines()] == ["Parcel 42 is lost"]
