"""The harness sees what it is there to see; otherwise a quiet page would mean nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser.chromium import Browser
from tests.browser.running import Running

PAGES = {
    "/asks": '<img src="http://elsewhere.example/x.png" alt="">',
    "/asks-here": '<img src="/there-is-none.png" alt="">',
    "/throws": "<script>throw new Error('an unhandled one')</script>",
    "/inline": "<script>document.title = 'it ran'</script><p onclick='x()'>text</p>",
    "/quiet": "<p>nothing</p>",
}
STRICT = "default-src 'none'"


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGES.get(self.path, "")
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html")
        if self.path == "/inline":
            self.send_header("Content-Security-Policy", STRICT)
        self.end_headers()
        self.wfile.write(f"<!doctype html><link rel=icon href=data:,>{body}".encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def pages() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/asks", "asked for something elsewhere"),
        ("/asks-here", "Chromium complained"),
        ("/throws", "Chromium complained"),
        ("/inline", "what the policy forbids"),
    ],
)
def test_a_page_that_is_not_quiet_is_told(
    browser: Browser, pages: str, path: str, told: str
) -> None:
    browser.open(pages + path)

    with pytest.raises(AssertionError, match=told):
        browser.assert_quiet(origin=pages)


def test_a_page_that_does_nothing_is_quiet(browser: Browser, pages: str) -> None:
    browser.open(f"{pages}/quiet")

    browser.assert_quiet(origin=pages)
    assert f"{pages}/quiet" in browser.requests


def test_the_console_opens_from_the_bare_port_and_is_quiet(
    browser: Browser, server: Running
) -> None:
    browser.open(server.origin)

    assert browser.url == server.console
    browser.wait_for_text("All is well.")
    browser.assert_quiet(origin=server.origin)
