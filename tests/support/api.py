"""The HTTP port without a server behind it: a status as a test wants it, facts of no real node."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from ptingest.api.app import ApiServer, start_api
from ptingest.api.logstash import NodeFacts
from ptingest.errors import JobRefused
from ptingest.model.letters import Order
from ptingest.settings.api import ApiSettings
from ptingest.telemetry.metrics import Metrics

NODE = NodeFacts(
    name="host-1",
    id="7e40c8b9-e586-4c2c-909f-4036b23134f5",
    ephemeral_id="43fe1e91-e998-42d8-8e7b-4b342ec44304",
    version="0.1.0",
    workers=1,
    batch_size=4096,
    batch_delay_ms=100,
    hash="18318658a1566ee1",
    sinks=("elasticsearch",),
    dead_letters_max_bytes=1 << 30,
    dead_letters_when_full="refuse",
)


@dataclass
class View:
    """A status as a test wants it."""

    reasons: list[str] = field(default_factory=list)
    shown: dict[str, object] = field(default_factory=dict)

    async def refresh(self) -> None: ...

    def readiness(self) -> list[str]:
        return self.reasons

    def status(self) -> dict[str, object]:
        return self.shown


@dataclass
class DeadLetterJobs:
    """Takes orders down and carries nothing out."""

    orders: list[Order] = field(default_factory=list)
    refuses: str = ""

    def begin(self, order: Order) -> dict[str, object]:
        if self.refuses:
            raise JobRefused(why=self.refuses)
        self.orders.append(order)
        return self.progress()

    def progress(self) -> dict[str, object]:
        return {"number": len(self.orders), "finished": True}


@contextlib.asynccontextmanager
async def api_server(
    settings: ApiSettings | None = None,
    *,
    view: View | None = None,
    metrics: Metrics | None = None,
    **services: Any,
) -> AsyncIterator[ApiServer]:
    """Run the HTTP port: on a free port of loopback unless the settings name another."""
    server = await start_api(
        settings or ApiSettings(listen="127.0.0.1:0"),
        view=view or View(),
        metrics=metrics or Metrics(),
        node=NODE,
        **services,
    )
    try:
        yield server
    finally:
        await server.close()


async def fetch(method: str, url: str, **more: Any) -> tuple[int, Any]:
    """Send one request; the status of its answer, and its body, decoded where it is JSON."""
    async with aiohttp.ClientSession() as http, http.request(method, url, **more) as answer:
        body = await answer.text()
        return answer.status, orjson.loads(body) if answer.content_type.endswith("json") else body
