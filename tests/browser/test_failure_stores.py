"""Documents of failure stores beside the dead letters, on every width of screen."""

from __future__ import annotations

import json
from pathlib import Path

from tests.browser.chromium import Browser
from tests.browser.running import running
from tests.fakes.http_stub import HttpStub
from tests.support.failure_documents import RECORDED

TOKEN = "a-token-for-this-test"
HOSTILE = "<script>window.__ran = 1</script>\u202e" + "long" * 100


def test_they_are_text_that_fits_the_screen(browser: Browser, tmp_path: Path) -> None:
    document = {"message": HOSTILE, "service": HOSTILE}
    failed = json.loads(json.dumps(RECORDED))
    failed["_source"]["document"] |= {"index": f"logs-{'x' * 150}-pt", "source": document}
    failed["_source"]["error"]["message"] = HOSTILE
    found = {"hits": [failed], "total": {"value": 1, "relation": "eq"}}
    with HttpStub(200, {"X-Elastic-Product": "Elasticsearch"}) as stub:
        stub.body = json.dumps({"id": "snapshot", "hits": found}).encode()
        sinks = {"elasticsearch": {"hosts": [stub.url]}}
        with running(tmp_path, api={"token": TOKEN}, sinks=sinks) as server:
            browser.open(server.console + "dead-letters")
            browser.fill("#token", TOKEN)
            browser.click(".login button")
            for width in (390, 1280):
                browser.size(width)
                browser.open(server.console + "dead-letters")
                browser.wait_for_text("1 document that a search of its", "#failures")
                assert browser.run("return document.documentElement.scrollWidth") <= width
                browser.click("#failures tbody th a")
                browser.wait_for_text("⟨U+202E⟩", "#raw")
                assert browser.run("return document.documentElement.scrollWidth") <= width
            assert browser.run("return window.__ran === undefined")
            browser.assert_quiet(origin=server.origin)
