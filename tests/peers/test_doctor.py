"""`ptingest doctor` before a real Elasticsearch with security, healthy and broken in turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptingest.server.worker import Worker
from ptingest.tools.setup.compare import KEPT_BY_SERVER
from tests.peers.elasticsearch_peer import SUPERUSER, Node
from tests.peers.preparing import PASSWORDS, WRITER, clean, serving_to, setup, ship
from tests.peers.test_setup import event, take_away
from tests.support.command import Ran, run

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

BUILT_IN = {
    "index_patterns": ["logs-*-*"],
    "priority": 100,
    "data_stream": {},
    "template": {"settings": {"number_of_replicas": 0}},
}
"""As much of Elastic's own `logs` template as decides here; date detection is on."""


@pytest.fixture
def node(bare_elasticsearch: Node) -> Iterator[Node]:
    """Nothing prepared, before and after."""
    yield bare_elasticsearch
    clean(bare_elasticsearch)


def doctor(
    node: Node,
    folder: Path,
    *arguments: str,
    worker: Worker | None = None,
    login: tuple[str, str] = WRITER,
) -> tuple[Ran, list[dict[str, Any]]]:
    """Run ``ptingest doctor --json`` as the writer and return its verdicts."""
    config = folder / "doctor.json"
    sink = {"hosts": [node.url], "username": login[0], "password": login[1]}
    settings: dict[str, Any] = {"sinks": {node.release.product: sink}}
    parts = ["--only", node.release.product]
    if worker is not None:
        settings["api"] = {"listen": f"127.0.0.1:{worker.api_port}"}
        parts += ["--only", "server"]
    config.write_text(json.dumps(settings))
    command = ("doctor", "--json", "--config", str(config), *parts, *arguments)
    ran = run(*command, folder=folder, environ=PASSWORDS)
    return ran, [json.loads(line) for line in ran.out.splitlines()]


def problems(verdicts: list[dict[str, Any]]) -> dict[str, str]:
    return {one["subject"]: one["found"] for one in verdicts if one["mark"] == "problem"}


@pytest.mark.every_release
async def test_after_setup_all_is_well_with_nothing_but_the_writers_rights(
    node: Node, tmp_path: Path
) -> None:
    prepared = await asyncio.to_thread(setup, node, folder=tmp_path)
    assert prepared.code == 0, prepared
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("django"), event("celery"))

        ran, verdicts = await asyncio.to_thread(doctor, node, tmp_path, worker=worker)

    assert (ran.code, problems(verdicts)) == (0, {}), verdicts
    untold = [one["found"] for one in verdicts if one["subject"] == "more rights"]
    is_told = any("monitor" in told and "which template wins" in told for told in untold)
    assert is_told is (node.login is not None)


async def test_with_a_better_login_nothing_is_left_untold(node: Node, tmp_path: Path) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)

    ran, verdicts = await asyncio.to_thread(doctor, node, tmp_path, "--user", SUPERUSER[0])

    subjects = {one["subject"] for one in verdicts}
    assert ran.code == 0, verdicts
    assert {"template", "mappings", "cluster", "disk"} <= subjects
    assert "more rights" not in subjects


@pytest.mark.needs("users")
@pytest.mark.parametrize("privilege", ["auto_configure", "create_doc"])
def test_a_privilege_taken_away_is_named_with_its_streams(
    node: Node, tmp_path: Path, privilege: str
) -> None:
    setup(node, folder=tmp_path)
    take_away(node, privilege)

    ran, verdicts = doctor(node, tmp_path)

    assert ran.code == 1
    assert f"lacks {privilege} on logs-*-pt" in problems(verdicts)["rights"]


@pytest.mark.needs("users")
def test_without_read_it_says_what_is_lost_and_what_it_cannot_see(
    node: Node, tmp_path: Path
) -> None:
    setup(node, folder=tmp_path)
    take_away(node, "read")

    ran, verdicts = doctor(node, tmp_path)

    told = [one["found"] for one in verdicts if one["mark"] == "note"]
    assert ran.code == 0
    assert any("lacks read" in found for found in told)
    assert any("read on logs-*-pt doctor would also check data streams" in found for found in told)


@pytest.mark.needs("users")
def test_a_right_on_some_streams_only_names_the_others(node: Node, tmp_path: Path) -> None:
    setup(node, folder=tmp_path)
    names = [f"logs-{service}-pt" for service in ("django", "celery", "celerybeat", "flower")]
    rights = ["auto_configure", "create_doc", "read"]
    role = {"indices": [{"names": names, "privileges": rights}]}
    node.must("PUT", "/_security/role/logstash_writer_pt", role)

    _, verdicts = doctor(node, tmp_path)

    found = problems(verdicts)["rights"]
    assert "lacks create_doc on logs-nginx-pt, logs-react-pt" in found


@pytest.mark.needs("users")
def test_a_role_used_as_a_user_is_recognised(node: Node, tmp_path: Path) -> None:
    setup(node, folder=tmp_path)

    ran, verdicts = doctor(node, tmp_path, login=("logstash_writer_pt", WRITER[1]))

    (cure,) = [one["cure"] for one in verdicts if one["subject"] == "login"]
    assert ran.code == 4
    assert "logstash_writer_pt is the role; the user is logstash_writer" in cure


@pytest.mark.needs("users")
def test_a_user_without_the_role_is_recognised(node: Node, tmp_path: Path) -> None:
    setup(node, folder=tmp_path)
    user = {"password": WRITER[1], "roles": []}
    node.must("PUT", "/_security/user/logstash_writer", user)

    _, verdicts = doctor(node, tmp_path)

    (cure,) = [one["cure"] for one in verdicts if one["subject"] == "rights" and one["cure"]][:1]
    assert "lacks the role logstash_writer_pt" in cure


def weak(node: Node) -> None:
    """Our template without a priority, as the description had it, beside the built-in one."""
    ours = node.must("GET", "/_index_template/pt-logs")["index_templates"][0]["index_template"]
    ours.pop("priority")
    for name in KEPT_BY_SERVER:
        ours.pop(name, None)
    node.must("PUT", "/_index_template/pt-logs", ours)
    node.must("PUT", "/_index_template/logs", BUILT_IN)


@pytest.mark.needs("users")
async def test_a_template_without_priority_loses_documents_and_is_named(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    weak(node)
    lines = [
        "INFO|apps.parcels.views|2025-01-02T03:04:05|first decides the mapping",
        "INFO|apps.parcels.views|2025-01-02 03:04:05,678|second does not fit it",
    ]
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("django", lines[0]))
        await ship(worker, event("django", lines[1]))

        _, verdicts = await asyncio.to_thread(doctor, node, tmp_path, worker=worker)
        _, more = await asyncio.to_thread(
            doctor, node, tmp_path, "--user", SUPERUSER[0], worker=worker
        )

    assert len(node.documents("logs-django-pt")) == 1
    assert "log_timestamp is mapped as date" in problems(verdicts)["mappings"]
    letters = [one for one in verdicts if one["subject"] == "dead letters"]
    assert "1 mapping" in letters[0]["found"]
    assert problems(more)["template"] == (
        "logs (priority 100) wins over pt-logs (priority 0): its mappings are used, ours never"
    )


def test_a_missing_template_is_named(node: Node, tmp_path: Path) -> None:
    setup(node, "--only", "role", "--only", "user", folder=tmp_path)

    ran, verdicts = doctor(node, tmp_path, "--user", SUPERUSER[0])

    assert ran.code == 1
    assert "none matches logs-*-pt" in problems(verdicts)["template"]


async def test_what_keeps_documents_out_is_named_although_the_server_runs(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, "--only", "role", "--only", "user", folder=tmp_path)
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("Parcel Labels"), event("django"))

        _, verdicts = await asyncio.to_thread(doctor, node, tmp_path, worker=worker)

    letters = [one for one in verdicts if one["subject"] == "dead letters"]
    assert "illegal_data_stream" in letters[0]["found"]
    assert "template_missing" in letters[0]["found"]
    assert "lower case" in letters[0]["cure"]


def test_a_plain_index_in_the_place_of_a_data_stream_is_named(node: Node, tmp_path: Path) -> None:
    node.must("PUT", "/logs-django-pt", {})
    setup(node, folder=tmp_path)
    try:
        _, verdicts = doctor(node, tmp_path)
    finally:
        node.must("DELETE", "/logs-django-pt")

    assert "plain indices instead of data streams: logs-django-pt" in problems(verdicts).values()


async def test_events_from_the_future_are_named_by_elasticsearch_and_by_the_server(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("django", "INFO|a|2099-01-02T03:04:05Z|x"))
        node.must("POST", "/logs-django-pt/_refresh")

        _, verdicts = await asyncio.to_thread(doctor, node, tmp_path, worker=worker)

    told = [one["found"] for one in verdicts if one["subject"] == "clock"]
    assert "events of django are" in told[0]
    assert "1 document dated more than 5 minutes in the future" in told[1]
