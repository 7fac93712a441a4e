"""The HTTP port, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import aiohttp
import orjson
import pytest
from pydantic import SecretStr

from benchmarks.processes import free_port
from ptingest.api.app import PATHS, ApiServer, start_api
from ptingest.server.certificates import Certificates
from ptingest.server.process.clock import SystemClock
from ptingest.settings.api import ApiSettings
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.authority import Authority, tls_settings
from tests.support.api import NODE, DeadLetterJobs, View


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def server(view: View, metrics: Metrics) -> AsyncIterator[ApiServer]:
    server = await start_api(
        ApiSettings(listen="127.0.0.1:0"),
        view=view,
        metrics=metrics,
        node=NODE,
        jobs=DeadLetterJobs(),
    )
    yield server
    await server.close()


@pytest.fixture
async def http(server: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session


async def test_it_is_live_whatever_is_wrong(http: aiohttp.ClientSession, view: View) -> None:
    view.reasons.append("everything is wrong")

    async with http.get("/livez") as answer:
        assert answer.status == 200


async def test_it_is_ready_when_nothing_speaks_against_it(http: aiohttp.ClientSession) -> None:
    async with http.get("/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"ready": True, "reasons": []}


async def test_when_not_ready_it_says_why(http: aiohttp.ClientSession, view: View) -> None:
    view.reasons += ["draining", "sink elasticsearch: 401"]

    async with http.get("/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["reasons"] == ["draining", "sink elasticsearch: 401"]


async def test_metrics_are_prometheus_text_with_fresh_gauges(
    http: aiohttp.ClientSession, metrics: Metrics
) -> None:
    metrics.add("ptingest_flow_received_events_total", 3, "django")
    metrics.before_scrape(lambda: metrics.set("ptingest_beats_open_connections", 7))

    async with http.get("/metrics") as answer:
        text = await answer.text()

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'ptingest_flow_received_events_total{service="django"} 3.0' in text
    assert "ptingest_beats_open_connections 7.0" in text


@pytest.mark.parametrize(
    "path",
    ["/_node/stats/jvm", "/_node/stats/process", "/_node/stats/pipelines",
     "/_node", "/_node/stats", "/_node/stats?vertices=true", "/_node/pipelines?graph=true", "/",
     "/_node/stats/jvm%2Cprocess", "/_node/stats/", "/_node/os"],
    ids=str,
)  # fmt: skip
async def test_what_telegraf_and_metricbeat_ask_is_answered(
    path: str, http: aiohttp.ClientSession
) -> None:
    async with http.get(path) as answer:
        body = await answer.json()

    assert answer.status == 200
    assert body["version"].startswith("8.")


@pytest.mark.parametrize("path", ["/_node/stats/nothing", "/_node/nothing", "/_node/a/b/c"])
async def test_a_type_that_is_not_there_is_refused_as_logstash_does(
    path: str, http: aiohttp.ClientSession
) -> None:
    async with http.get(path) as answer:
        body = await answer.json()

    assert answer.status == 404
    assert body == {"path": path, "status": 404, "error": {"message": "Not Found"}}


async def test_status_is_what_the_view_shows(http: aiohttp.ClientSession, view: View) -> None:
    view.shown = {"books": {"store": {"django": {"received": 2**60}}}, "by_status": {201: 4}}

    async with http.get("/status") as answer:
        body = orjson.loads(await answer.read())

    assert answer.content_type == "application/json"
    assert body == {"books": {"store": {"django": {"received": 2**60}}}, "by_status": {"201": 4}}


async def test_the_index_names_every_path(http: aiohttp.ClientSession) -> None:
    async with http.get("/") as answer:
        text = await answer.text()

    assert answer.content_type == "application/json"
    assert all(path in text for path in PATHS)


async def test_an_unknown_path_is_told_what_exists(http: aiohttp.ClientSession) -> None:
    async with http.get("/health") as answer:
        assert answer.status == 404
        assert "/readyz" in await answer.text()


ASK_MORE = {"/tap", "/why"}
"""Paths that answer to nothing but a question, or without end."""


@pytest.mark.parametrize("path", ["/", *(path for path in PATHS if path not in ASK_MORE)])
async def test_head_answers_like_get_without_a_body(http: aiohttp.ClientSession, path: str) -> None:
    async with http.head(path) as answer:
        assert answer.status == 200
        assert await answer.read() == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_can_be_changed(http: aiohttp.ClientSession, method: str) -> None:
    async with http.request(method, "/status", data=None) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


async def test_a_huge_header_is_refused(server: ApiServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n")
    status = await reader.readline()

    assert b"400" in status
    writer.close()


async def test_a_body_nobody_asked_for_does_not_hold_the_answer_back(server: ApiServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\nx")
    status = await reader.readline()
    await reader.read()  # ends: the connection is closed soon after

    assert b"200" in status
    writer.close()


async def test_a_request_leaves_no_log_line(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="aiohttp")

    async with http.get("/livez"), http.get("/nope"):
        pass

    assert caplog.records == []


async def test_a_closed_port_takes_no_more_and_can_be_bound_again(
    view: View, metrics: Metrics
) -> None:
    listen = f"127.0.0.1:{free_port()}"  # nobody is given it meanwhile
    first = await start_api(ApiSettings(listen=listen), view=view, metrics=metrics, node=NODE)
    await first.close()

    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", first.port)
    again = await start_api(ApiSettings(listen=listen), view=view, metrics=metrics, node=NODE)
    await again.close()

    assert again.port == first.port


async def test_a_taken_port_is_an_os_error_that_names_it(server: ApiServer, view: View) -> None:
    taken = ApiSettings(listen=f"127.0.0.1:{server.port}")

    with pytest.raises(OSError, match=str(server.port)):
        await start_api(taken, view=view, metrics=Metrics(), node=NODE)


# -- who may look -------------------------------------------------------------------------


@pytest.fixture
async def guarded(view: View, metrics: Metrics) -> AsyncIterator[aiohttp.ClientSession]:
    server = await start_api(
        ApiSettings(listen="127.0.0.1:0", token=SecretStr("s3cret-token")),
        view=view,
        metrics=metrics,
        node=NODE,
    )
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session
    await server.close()


@pytest.mark.parametrize("path", [*PATHS, "/", "/nothing"])
async def test_without_the_token_only_the_sign_of_life_is_seen(
    guarded: aiohttp.ClientSession, path: str
) -> None:
    answer = await guarded.get(path)

    assert answer.status == (200 if path == "/livez" else 401)


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param("Bearer s3cret-toke", id="cut"),
        pytest.param("Bearer s3cret-token2", id="too long"),
        pytest.param("s3cret-token", id="without the word"),
        pytest.param("Basic s3cret-token", id="another scheme"),
        pytest.param("Bearer \u00e9", id="not ASCII"),
    ],
)
async def test_another_token_is_none(guarded: aiohttp.ClientSession, shown: str) -> None:
    answer = await guarded.get("/status", headers={"Authorization": shown})

    assert answer.status == 401
    assert "s3cret" not in await answer.text()


async def test_with_the_token_everything_is_seen(guarded: aiohttp.ClientSession) -> None:
    answer = await guarded.get("/status", headers={"Authorization": "Bearer s3cret-token"})

    assert answer.status == 200


async def test_over_https_a_certificate_replaced_is_shown_to_the_next(
    view: View, metrics: Metrics, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    settings = ServerSettings.model_validate(
        {"api": {"listen": "127.0.0.1:0", "tls": tls_settings(authority.server())}}
    )
    certificates = Certificates(settings, metrics=metrics, clock=SystemClock())
    server = await start_api(
        settings.api, view=view, metrics=metrics, node=NODE, tls=certificates.api
    )
    seen = []
    for _ in range(2):
        pair = authority.server()
        certificates.look()
        async with aiohttp.ClientSession() as session:
            url = f"https://127.0.0.1:{server.port}/livez"
            answer = await session.get(url, ssl=aiohttp.Fingerprint(sha256(pair.encoded).digest()))
            seen.append(answer.status)
    await server.close()

    assert seen == [200, 200]


async def test_a_browser_that_asks_for_the_root_gets_the_console_and_a_machine_json(
    http: aiohttp.ClientSession,
) -> None:
    page = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

    async with http.get("/", headers=page, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/console/")
    for machine in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        async with http.get("/", headers=machine) as answer:
            assert answer.content_type == "application/json"


async def test_a_browser_may_ask_for_the_root_without_the_token(
    guarded: aiohttp.ClientSession,
) -> None:
    headers = {"Accept": "text/html"}

    async with guarded.get("/", headers=headers, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/console/"


@pytest.mark.parametrize("path", ["/status", "/console/"])
async def test_wrong_tokens_are_slowed_down_on_every_path(
    guarded: aiohttp.ClientSession, path: str
) -> None:
    statuses = []
    for number in range(7):
        headers = {"Authorization": f"Bearer guess-{number}"}
        async with guarded.get(path, headers=headers) as answer:
            statuses.append(answer.status)
    async with guarded.get("/livez", headers=headers) as alive:
        assert alive.status == 200

    assert statuses == [401] * 4 + [429] * 3
    assert int(answer.headers["Retry-After"]) > 0
