"""The commands of deploy/compose.yaml that speak to Elasticsearch, against a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers.compose_peer import build, load
from tests.peers.elasticsearch_peer import SUPERUSER, Node
from tests.peers.tools import optional_tool
from tests.support.modules import DEPLOY, ROOT

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]
PASSWORDS = {
    "ELASTIC_PASSWORD": SUPERUSER[1],
    "ELASTICSEARCH_PASSWORD": "kibana-secret_1",
    "LOGSTASH_WRITER_PASSWORD": "writer-secret_1",
    "API_TOKEN": "token-secret_0123456",
}


@pytest.fixture(scope="module")
def services() -> Any:
    build()
    return load(DEPLOY / "compose.yaml", environ=PASSWORDS)["services"]


def run(words: list[str], node: Node, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a container's command here, the node in the place of its Elasticsearch."""
    environ = {"PATH": os.environ["PATH"], **environ}
    here = [
        word.replace("$$", "$")
        .replace("http://elasticsearch:9200", node.url)
        .replace("http://127.0.0.1:9200", node.url)
        .replace("elastic:", f"{SUPERUSER[0]}:")
        for word in words
    ]
    return subprocess.run(here, env=environ, capture_output=True, text=True, check=False)


def test_the_one_shot_gives_kibana_its_login(services: Any, secured_elasticsearch: Node) -> None:
    optional_tool("curl")
    service = services["kibana-login"]

    done = run(
        [*service["entrypoint"], *service["command"]], secured_elasticsearch, service["environment"]
    )

    assert done.returncode == 0, done.stderr
    login = ("kibana_system", PASSWORDS["ELASTICSEARCH_PASSWORD"])
    status, who = secured_elasticsearch.request("GET", "/_security/_authenticate", login=login)
    assert (status, who["username"]) == (200, "kibana_system")


def test_the_health_check_tells_a_good_login_from_a_bad_one(
    services: Any, secured_elasticsearch: Node
) -> None:
    optional_tool("curl")
    kind, command = services["elasticsearch"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    shell = ["/bin/sh", "-c", command]

    good = run(shell, secured_elasticsearch, services["elasticsearch"]["environment"])
    bad = run(shell, secured_elasticsearch, {"ELASTIC_PASSWORD": "wrong"})

    assert good.returncode == 0, good.stderr
    assert bad.returncode != 0


def test_setup_then_serve_is_all_that_is_needed(
    services: Any, secured_elasticsearch: Node, tmp_path: Path
) -> None:
    config = tmp_path / "ptingest.yaml"
    text = (DEPLOY / "ptingest.yaml").read_text(encoding="utf-8")
    config.write_text(text.replace("/var/lib/ptingest", str(tmp_path / "data")))
    shutil.copy(ROOT / "config" / "pt.yaml", tmp_path)
    us = (sys.executable, "-m", "ptingest.cli.main")
    environ = {**os.environ, **services["setup"]["environment"],
               "ELASTICSEARCH_HOST": secured_elasticsearch.url}  # fmt: skip
    words = [
        word.replace("/etc/ptingest/ptingest.yaml", str(config))
        for word in services["setup"]["command"]
    ]

    prepared = subprocess.run(
        [*us, *words, f"--user={SUPERUSER[0]}"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    checked = subprocess.run(
        [*us, "check", "--connect", "--config", str(config)],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
