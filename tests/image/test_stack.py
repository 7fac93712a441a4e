"""`docker compose up` of `deploy/compose.yaml`: Elasticsearch, the one-shots, ptingest.

Kibana is left out, and with it `setup-kibana`: it is published as an image only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.engine import Engine
from tests.image.stack import PASSWORDS, Stack
from tests.torture.places import ask, judge_elasticsearch
from tests.torture.world import World

pytestmark = pytest.mark.timeout(1800)
EVENTS = 20_000
SEED = 20261124
URL = f"http://elastic:{PASSWORDS['ELASTIC_PASSWORD']}@127.0.0.1:9200"


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(engine, tmp_path_factory.mktemp("stack"))
    stack.up("kibana-login", "ptingest")
    stack.wait_until_healthy("ptingest")
    yield stack
    stack.compose("down", "--volumes")


@pytest.mark.parametrize("service", ["setup", "kibana-login"])
def test_a_one_shot_has_done_its_work(stack: Stack, service: str) -> None:
    stack.engine.docker("wait", stack.container(service))

    assert stack.inspect(service)["State"]["ExitCode"] == 0, stack.logs(service)


def test_what_setup_prepared_is_there(stack: Stack) -> None:
    with stack.engine.network():
        templates = ask(URL, "GET", "/_index_template/pt-logs")
        users = ask(URL, "GET", "/_security/user/logstash_writer,kibana_system")

    assert templates["index_templates"][0]["index_template"]["data_stream"] is not None
    assert set(users) == {"logstash_writer", "kibana_system"}
    assert users["logstash_writer"]["roles"] == ["logstash_writer_pt"]


async def test_events_reach_the_data_streams_once_whatever_dies(
    stack: Stack, tmp_path: Path
) -> None:
    world = World(seed=SEED, events=EVENTS, folder=tmp_path, largest_window=500)

    async def break_it() -> None:
        await world.until_acked(0.25)
        stack.kill("ptingest")
        await world.until_acked(0.5)
        stack.kill("elasticsearch")

    with stack.engine.network():
        world.add_beats(5044, timeout_seconds=60)
        async with asyncio.timeout(900), asyncio.TaskGroup() as group:
            group.create_task(break_it())
            await world.ship()
        await judge_elasticsearch(URL, "logs-*-pt", world.oracle)
        streams = ask(URL, "GET", "/_data_stream/logs-*-pt")["data_streams"]
    letters = await asyncio.to_thread(stack.judge_volume, world.oracle)
    verdict = world.oracle.verdict()

    assert (verdict.acked, verdict.faults(), letters) == (EVENTS, [], [])
    assert {"logs-django-pt", "logs-celery-pt"} <= {one["name"] for one in streams}


def test_every_service_is_healthy_again(stack: Stack) -> None:
    for service in ("elasticsearch", "ptingest"):
        stack.wait_until_healthy(service, restarts=1)
    shown = stack.engine.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
    print(shown)
