"""Runs `ptingest setup` and ptingest itself against a real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ptingest.server.assembly import build, read_profile
from ptingest.server.process.clock import SystemClock
from ptingest.server.worker import Worker
from ptingest.settings.server import ServerSettings
from tests.fakes.beat import Beat
from tests.peers.elasticsearch_peer import SUPERUSER, Node
from tests.support.command import Ran, run

PASSWORDS = {
    "ELASTIC_PASSWORD": SUPERUSER[1],
    "OPENSEARCH_INITIAL_ADMIN_PASSWORD": SUPERUSER[1],
}
WRITER = ("logstash_writer", "writer-password")


def setup(node: Node, *arguments: str, folder: Path, writer_password: str = WRITER[1]) -> Ran:
    """Run ``ptingest setup`` as the superuser."""
    user = SUPERUSER[0]
    environ = {**PASSWORDS, "LOGSTASH_WRITER_PASSWORD": writer_password}
    command = ("setup", f"--{node.release.product}", node.url, "--user", user, *arguments)
    return run(*command, folder=folder, environ=environ)


def clean(node: Node) -> None:
    """Take away what a setup and the streams of a test have left."""
    node.must("DELETE", "/_data_stream/*")
    users = ("/_security/role/logstash_writer_pt", "/_security/user/logstash_writer")
    for path in (
        "/_index_template/*",
        "/_component_template/*",
        *(users if node.login else ()),
    ):
        status, answer = node.request("DELETE", path)
        assert status in (200, 404), answer


@asynccontextmanager
async def serving_to(
    node: Node, folder: Path, *, profile: Path | None = None, **login: Any
) -> AsyncIterator[Worker]:
    """A whole ptingest that writes to ``node``, as ``logstash_writer`` unless told otherwise."""
    who = login or {"username": WRITER[0], "password": WRITER[1]}
    retry = {"initial_seconds": 0.05, "max_seconds": 0.2, "patience_seconds": 0.5}
    settings = ServerSettings.model_validate(
        {
            "data_dir": str(folder / "data"),
            "profile": profile and str(profile),
            "drain_seconds": 5.0,
            "beats": {"listen": "127.0.0.1:0"},
            "api": {"listen": "127.0.0.1:0"},
            "sinks": {node.release.product: {"hosts": (node.url,), "retry": retry, **who}},
        }
    )
    worker = Worker(build(settings, read_profile(settings, {}), clock=SystemClock()))
    running = asyncio.ensure_future(worker.run())
    started = asyncio.ensure_future(worker.started.wait())
    await asyncio.wait((running, started), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    try:
        yield worker
    finally:
        worker.stop()
        await running


async def ship(worker: Worker, *payloads: bytes) -> None:
    """Deliver one window as a Beat does; returns when it is acked."""
    windows: Sequence[Sequence[bytes]] = [payloads]
    async with asyncio.timeout(20):
        await Beat(worker.beats_port).deliver(windows)
