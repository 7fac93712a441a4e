"""Documents that a real Elasticsearch puts into failure stores: told everywhere, and requeued."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptingest.cli.exit_codes import ExitCode
from ptingest.server.worker import Worker
from tests.peers.elasticsearch_peer import Node
from tests.peers.preparing import WRITER, clean, serving_to, setup, ship
from tests.peers.test_doctor import doctor
from tests.peers.test_setup import event
from tests.support.command import Ran, run
from tests.support.server_process import ServerProcess
from tests.support.waiting import until

pytestmark = [
    pytest.mark.peer,
    pytest.mark.timeout(180),
    pytest.mark.every_release,
    pytest.mark.needs("failure_store", "users"),
]

STREAM = "logs-nginx-pt"
EVENTS = 200
REASON = (
    "document_parsing_exception: object mapping for [host] tried to parse field [host] as "
    "object, but found a concrete value"
)


@pytest.fixture
def node(bare_elasticsearch: Node) -> Iterator[Node]:
    """Nothing prepared, before and after."""
    yield bare_elasticsearch
    clean(bare_elasticsearch)


def map_host(node: Node, mapping: dict[str, Any]) -> None:
    """Let another template than ours decide for nginx."""
    body = {
        "index_patterns": [STREAM],
        "priority": 700,
        "data_stream": {},
        "template": {
            "settings": {"number_of_replicas": 0},
            "mappings": {"properties": {"host": mapping}},
            "data_stream_options": {"failure_store": {"enabled": True}},
        },
    }
    node.must("PUT", "/_index_template/of-nginx", body)


def lines(number: int) -> list[bytes]:
    """Events of one service whose ``host`` is a text, as many Beats but Filebeat send it."""
    return [
        event("nginx", f"line {n}", host="web-1", log={"offset": n, "file": {"path": "/p"}})
        for n in range(number)
    ]


def counts(node: Node) -> tuple[int, int]:
    """Documents in the data stream, and different ones in its failure store: one whose answer was
    lost is there twice, since a failure store knows no key."""
    for name in (STREAM, f"{STREAM}::failures"):
        node.must("POST", f"/{name}/_refresh")
    stored = int(node.must("GET", f"/{STREAM}/_count")["count"])
    asked = {"size": 0, "aggs": {"keys": {"terms": {"field": "document.id", "size": 10_000}}}}
    found = node.must("POST", f"/{STREAM}::failures/_search", asked)
    return stored, len(found["aggregations"]["keys"]["buckets"])


async def failures(
    node: Node, folder: Path, *arguments: str, worker: Worker | ServerProcess | None = None
) -> Ran:
    """Run ``ptingest failures`` as the writer, beside the server if there is one."""
    config = folder / "failures.json"
    sink = {"hosts": [node.url], "username": WRITER[0], "password": WRITER[1]}
    settings: dict[str, Any] = {"data_dir": str(folder / "data"), "sinks": {"elasticsearch": sink}}
    if worker is not None:
        settings["api"] = {"listen": f"127.0.0.1:{worker.api_port}"}
    config.write_text(json.dumps(settings))
    command = ("failures", *arguments, "--config", str(config))
    return await asyncio.to_thread(run, *command, folder=folder)


def rows(ran: Ran) -> list[dict[str, Any]]:
    assert ran.code == 0, ran
    return [json.loads(line) for line in ran.out.splitlines()]


async def test_a_whole_service_in_the_failure_store_is_told_everywhere(
    node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    map_host(node, {"properties": {"name": {"type": "keyword"}}})
    caplog.set_level(logging.WARNING)
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, *lines(EVENTS))

        await until(lambda: f"failure store of {STREAM}" in caplog.text)
        status = worker.view.status()["failure_store"]
        _, findings = await asyncio.to_thread(doctor, node, tmp_path, worker=worker)
        address = f"127.0.0.1:{worker.api_port}"
        top = await asyncio.to_thread(
            run, "top", "--once", "--address", address, folder=tmp_path, environ={"COLUMNS": "80"}
        )

    assert counts(node) == (0, EVENTS)
    # One line a minute and one at the end: whatever a first bulk left over while the failure
    # store was made.
    logged = re.findall(rf"(\d+) documents went to the failure store of {STREAM}", caplog.text)
    assert sum(map(int, logged)) == EVENTS
    assert REASON in caplog.text
    assert status[STREAM] | {"last_seconds_ago": 0} == {
        "service": "nginx", "documents": EVENTS, "last_seconds_ago": 0, "reason": REASON
    }  # fmt: skip
    (told,) = [one for one in findings if one["subject"] == "failure store"]
    assert told["mark"] == "warning"
    assert told["found"].startswith(f"{EVENTS} of {EVENTS} (100 %) events of nginx are in")
    assert REASON in told["found"]
    assert "failures requeue" in told["cure"]
    shown = top.out.decode()
    assert "All is well" not in shown
    assert "fstore" in shown


async def test_what_failed_is_listed_by_reason_and_shown_whole(node: Node, tmp_path: Path) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    map_host(node, {"properties": {"name": {"type": "keyword"}}})
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, *lines(3))
        await ship(worker, event("django"))
    assert counts(node) == (0, 3)

    (group,) = rows(await failures(node, tmp_path, "list", "--json"))
    listed = await failures(node, tmp_path, "list", "--reason", "document_parsing_exception")
    other = await failures(node, tmp_path, "list", "--reason", "illegal_argument_exception")
    shown = await failures(node, tmp_path, "show", group["example"]["id"])
    (whole,) = rows(await failures(node, tmp_path, "show", group["example"]["id"], "--json"))
    none = await failures(node, tmp_path, "show", "nothing")

    assert (group["data_stream"], group["reason"], group["documents"]) == (STREAM, REASON, 3)
    assert group["oldest"] <= group["newest"]
    assert f"{STREAM}  3 documents, " in listed.out.decode()
    assert "nginx  line " in listed.out.decode()
    assert (other.out, other.err) == (b"", "0 failure documents of 0 kinds\n")
    assert "document_parsing_exception" in shown.out.decode()
    assert '"host": "web-1"' in shown.out.decode()
    assert whole["_source"]["document"]["source"]["service"] == "nginx"
    assert (none.code, "no failure store has a document nothing" in none.err) == (1, True)


@pytest.mark.parametrize("is_served", [True, False], ids=["by the server", "without one"])
async def test_a_requeue_once_the_cause_is_mended_stores_each_once(
    node: Node, tmp_path: Path, is_served: bool
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    map_host(node, {"properties": {"name": {"type": "keyword"}}})
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, *lines(EVENTS))
        assert counts(node) == (0, EVENTS)
        if is_served:
            await requeue_thrice(node, tmp_path, worker)
    if not is_served:
        await requeue_thrice(node, tmp_path, None)

    document = node.must("GET", f"/{STREAM}/_search?size=1")["hits"]["hits"][0]
    assert len(document["_id"]) == 22
    assert document["_source"]["tags"].count("_grokparsefailure_pt") == 1


async def requeue_thrice(node: Node, tmp_path: Path, worker: Worker | None) -> None:
    """Before the cause is mended, after it, and once more in another backing index."""
    early = await failures(node, tmp_path, "requeue", "--all", worker=worker)
    assert (early.code, early.out.decode()) == (
        ExitCode.NOT_ALL_DELIVERED,
        f"{EVENTS} requeued: {EVENTS} in the failure store again\n",
    )
    assert counts(node) == (0, EVENTS)
    (group,) = rows(await failures(node, tmp_path, "list", "--json"))
    assert group["documents"] == EVENTS

    map_host(node, {"type": "object", "enabled": False})
    node.must("POST", f"/{STREAM}/_rollover")
    dry = await failures(node, tmp_path, "requeue", "--stream", STREAM, "--dry-run", worker=worker)
    late = await failures(node, tmp_path, "requeue", "--all", worker=worker)
    assert f"{EVENTS}  {REASON}  {STREAM}  would be written to {STREAM}" in dry.out.decode()
    assert (late.code, late.out.decode()) == (0, f"{EVENTS} requeued: {EVENTS} stored\n")
    assert counts(node) == (EVENTS, EVENTS)

    node.must("POST", f"/{STREAM}/_rollover")
    again = await failures(node, tmp_path, "requeue", "--all", worker=worker)
    assert (again.code, again.out.decode()) == (0, f"{EVENTS} requeued: {EVENTS} already stored\n")
    assert counts(node)[0] == EVENTS
    listed = await failures(node, tmp_path, "list")
    assert (listed.out, f"{EVENTS} more are in their data streams" in listed.err) == (b"", True)
    everything = rows(await failures(node, tmp_path, "list", "--all", "--json"))
    assert [row["documents"] for row in everything] == [EVENTS]


async def test_a_purge_deletes_what_was_requeued_where_that_right_was_granted(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    map_host(node, {"properties": {"name": {"type": "keyword"}}})
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, *lines(5))
        assert counts(node) == (0, 5)
        # The second time they fail again: nothing else has them, so they stay.
        await failures(node, tmp_path, "requeue", "--all", "--purge", worker=worker)
        assert counts(node) == (0, 5)
        map_host(node, {"type": "object", "enabled": False})
        node.must("POST", f"/{STREAM}/_rollover")

        denied = await failures(node, tmp_path, "requeue", "--all", "--purge", worker=worker)
        assert counts(node) == (5, 5)
        options = ("--only", "role", "--failures", "purge")
        granted = await asyncio.to_thread(setup, node, *options, folder=tmp_path)
        twice = await asyncio.to_thread(setup, node, *options, folder=tmp_path)
        purged = await failures(node, tmp_path, "requeue", "--all", "--purge", worker=worker)

    assert denied.code == ExitCode.NOT_ALL_DELIVERED
    assert denied.out.decode().startswith("5 requeued: 5 stored; not deleted from the failure")
    assert "ptingest setup --only role --failures purge" in denied.out.decode()
    assert ("updated" in granted.out.decode(), "unchanged" in twice.out.decode()) == (True, True)
    assert purged.code == 0
    assert re.fullmatch(
        r"5 requeued: 5 already stored; \d\d failure documents deleted\n", purged.out.decode()
    )
    assert counts(node) == (5, 0)


async def test_without_the_right_to_read_it_is_named_and_nothing_is_said_to_be_empty(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, "--failures", "none", folder=tmp_path)
    map_host(node, {"properties": {"name": {"type": "keyword"}}})
    async with serving_to(node, tmp_path) as worker:
        await ship(worker, *lines(2))

        listed = await failures(node, tmp_path, "list")
        requeued = await failures(node, tmp_path, "requeue", "--all", worker=worker)

    wanted = (
        "logstash_writer may not read the failure stores of logs-*-pt: grant "
        "`read_failure_store` to its role (logstash_writer_pt), by `ptingest setup --only role "
        "--failures read"
    )
    assert (listed.code, listed.out) == (ExitCode.NOT_REACHABLE, b"")
    assert wanted in listed.err
    assert requeued.code == ExitCode.FAILED
    assert wanted in requeued.out.decode()
