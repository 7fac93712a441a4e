"""A console on a real socket, with a status as a test wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
from pydantic import SecretStr

from ptingest.api.app import start_api
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.api.letters import DeadLetterJobs
from ptingest.api.why import TraceService
from ptingest.settings.api import ApiSettings
from ptingest.telemetry.metrics import Metrics
from tests.support.api import NODE, View

TOKEN = "the-token-of-this-test"


class Served(NamedTuple):
    """A running API and a client for it that keeps cookies and follows no redirect."""

    http: aiohttp.ClientSession
    view: View
    metrics: Metrics
    port: int

    async def read(self, path: str, **headers: str) -> str:
        """The text of a page that must be there."""
        async with self.http.get(path, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{answer.status}: {text}"
            return text


@asynccontextmanager
async def console(
    *,
    token: str | None = None,
    dependencies: ConsoleDependencies | None = None,
    listen: str = "127.0.0.1:0",
    jobs: DeadLetterJobs | None = None,
    why: TraceService | None = None,
) -> AsyncIterator[Served]:
    """Serve the console until the block is left."""
    view, metrics = View(), Metrics()
    settings = ApiSettings(listen=listen, token=None if token is None else SecretStr(token))
    server = await start_api(
        settings,
        view=view,
        metrics=metrics,
        node=NODE,
        dependencies=dependencies,
        jobs=jobs,
        why=why,
    )
    jar = aiohttp.CookieJar(unsafe=True)  # it is the address of a host
    url = f"http://127.0.0.1:{server.port}"
    try:
        async with aiohttp.ClientSession(url, cookie_jar=jar) as http:
            yield Served(http, view, metrics, server.port)
    finally:
        await server.close()


async def log_in(served: Served, token: str = TOKEN) -> int:
    """Post the login form; the status of the answer."""
    form = {"token": token, "to": "/console/"}
    async with served.http.post("/console/login", data=form, allow_redirects=False) as answer:
        return answer.status
