"""What all pages share, over real sockets: headers, the door, login, static files."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from ptingest.api.app import start_api
from ptingest.api.console.sessions import TRIES
from ptingest.api.console.site import HEADERS, STATIC
from ptingest.server.certificates import Certificates
from ptingest.server.process.clock import SystemClock
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.authority import Authority, tls_settings
from tests.support.api import NODE, View
from tests.support.console import TOKEN, console, log_in

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    "path", ["/console", "/console/", "/console/nothing", "/console/login", "/console/static/x"]
)
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_every_answer_has_the_strict_headers(path: str, token: str | None) -> None:
    async with console(token=token) as served:
        async with served.http.get(path, allow_redirects=False) as answer:
            assert HEADERS.items() <= dict(answer.headers).items()
            assert answer.headers["Cache-Control"] == "no-store"


def test_nothing_is_run_or_fetched_that_is_not_a_file_of_ours() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS[
        "Content-Security-Policy"].split(";"))  # fmt: skip

    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}


async def test_pages_name_only_what_is_here() -> None:
    async with console() as served:
        page = await served.read("/console/")

        for name in re.findall(r'(?:href|src|action)="([^"#]+)"', page):
            assert name.startswith("/console/")
            await served.read(name)
        assert "<style" not in page
        assert " style=" not in page
        assert re.findall(r"<script(?! src=)", page) == []


@pytest.mark.parametrize("path", sorted(STATIC.iterdir()), ids=lambda path: path.name)
async def test_static_files_are_served_with_their_type(path: object) -> None:
    name = getattr(path, "name", "")
    async with console(token=TOKEN) as served, served.http.get(f"/console/static/{name}") as answer:
        assert answer.status == 200
        assert await answer.read() == (STATIC / name).read_bytes()
        wanted = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
        assert answer.content_type == wanted[name.rpartition(".")[2]]


async def test_an_unknown_page_is_a_page_that_says_so() -> None:
    async with console() as served, served.http.get("/console/nothing") as answer:
        assert answer.status == 404
        assert "There is no such page here" in await answer.text()


async def test_another_method_is_refused_in_words() -> None:
    async with console() as served, served.http.delete("/console/") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"


async def test_a_page_whose_own_name_points_here_sees_nothing() -> None:
    async with console() as served:
        headers = {"Host": "evil.example"}
        async with served.http.get("/console/", headers=headers) as answer:
            page = await answer.text()

    assert answer.status == 403
    assert "evil.example" in page
    assert "Overview" not in page


async def test_beyond_loopback_without_a_token_the_console_is_shut_and_the_port_is_not() -> None:
    async with console(listen="0.0.0.0:0") as served:
        async with served.http.get("/console/") as answer:
            assert answer.status == 403
            assert "api.token" in await answer.text()
        async with served.http.get("/status") as answer:
            assert answer.status == 200


async def test_without_a_token_in_force_there_is_no_login() -> None:
    async with console() as served:
        assert await log_in(served) == 303
        async with served.http.get("/console/login", allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/console/"


async def test_with_a_token_a_browser_is_asked_for_it_and_comes_back_where_it_was() -> None:
    async with console(token=TOKEN) as served:
        async with served.http.get(
            "/console/?since=1h&x=%3Cb%3E", headers=BROWSER, allow_redirects=False
        ) as answer:
            assert answer.status == 303
            login = answer.headers["Location"]
        page = await served.read(login)
        to = re.search(r'name="to" value="([^"]*)"', page)

    assert to is not None
    assert to[1] == "/console/?since=1h&amp;x=%3Cb%3E"


async def test_a_login_lasts_until_the_logout() -> None:
    async with console(token=TOKEN) as served:
        assert await log_in(served) == 303
        assert "Overview" in await served.read("/console/")
        (cookie,) = served.http.cookie_jar

        async with served.http.post("/console/logout", allow_redirects=False) as answer:
            assert answer.status == 303
        async with served.http.get(
            "/console/", headers={"Cookie": f"{cookie.key}={cookie.value}"}
        ) as answer:
            assert answer.status == 401

    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/console"


async def test_a_wrong_token_opens_nothing_and_too_many_have_to_wait() -> None:
    async with console(token=TOKEN) as served:
        statuses = [await log_in(served, "wrong") for _ in range(TRIES)]

        assert statuses == [403] * TRIES
        assert await log_in(served, TOKEN) == 429
        async with served.http.get("/console/") as answer:
            assert answer.status == 401


async def test_the_token_as_a_header_is_enough_and_a_wrong_one_is_told() -> None:
    async with console(token=TOKEN) as served:
        assert "Overview" in await served.read("/console/", Authorization=f"Bearer {TOKEN}")
        headers = {"Authorization": "Bearer wrong"}
        async with served.http.get("/console/", headers=headers) as answer:
            assert answer.status == 401


@pytest.mark.parametrize("path", ["/console/login", "/console/logout"])
async def test_other_sites_can_log_nobody_in_or_out(path: str) -> None:
    async with console(token=TOKEN) as served:
        await log_in(served)
        headers = {"Sec-Fetch-Site": "cross-site"}
        async with served.http.post(path, headers=headers, allow_redirects=False) as answer:
            assert answer.status == 403
        await served.read("/console/")


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/console/login", "\\evil", "/console/\n"]
)
async def test_a_login_leads_only_to_pages_of_ours(to: str) -> None:
    async with console(token=TOKEN) as served:
        form = {"token": TOKEN, "to": to}
        async with served.http.post("/console/login", data=form, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/console/"


async def test_a_page_that_cannot_be_made_is_told_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with console() as served:
        served.view.shown = {"not_ready_because": 7}
        async with served.http.get("/console/") as answer:
            assert answer.status == 500
            assert HEADERS.items() <= dict(answer.headers).items()
        served.view.shown = {}
        await served.read("/console/")

    assert "a bug: no page could be made of /console/" in caplog.text


async def test_over_tls_the_cookie_of_a_login_is_never_sent_without_it(tmp_path: Path) -> None:
    pair = Authority(tmp_path).server()
    settings = ServerSettings.model_validate(
        {"api": {"listen": "127.0.0.1:0", "token": TOKEN, "tls": tls_settings(pair)}}
    )
    certificates = Certificates(settings, metrics=Metrics(), clock=SystemClock())
    server = await start_api(
        settings.api, view=View(), metrics=Metrics(), node=NODE, tls=certificates.api
    )
    url = f"https://127.0.0.1:{server.port}"
    try:
        async with aiohttp.ClientSession(url) as http:
            async with http.post(
                "/console/login",
                data={"token": TOKEN},
                ssl=aiohttp.Fingerprint(sha256(pair.encoded).digest()),
                allow_redirects=False,
            ) as answer:
                cookie = answer.headers["Set-Cookie"]
    finally:
        await server.close()

    assert "; Secure" in cookie
    assert "; HttpOnly" in cookie
