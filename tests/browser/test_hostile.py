"""Log lines that would like to be pages: nothing of them runs, and nothing leaves the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import Browser
from tests.browser.running import Running, running

TOKEN = "a-token-for-this-test"
ATTACKS = (
    "<script>window.__ran = 1</script>",
    "<img src=http://elsewhere.example/x onerror='window.__ran = 1'>",
    "</textarea></pre></td></title><svg onload='window.__ran = 1'>",
    "\"><input autofocus onfocus='window.__ran = 1'>",
    "<style>@import 'http://elsewhere.example/y'; body { display: none }</style>",
    "<meta http-equiv=refresh content='0;url=http://elsewhere.example/'>",
    "<iframe src=javascript:parent.__ran=1></iframe><base href=http://elsewhere.example/>",
    "<a href=javascript:window.__ran=1>click</a><form action=http://elsewhere.example>",
    "javascript:window.__ran=1",
    "{{ 7*7 }}{% include 'login.html' %}${7*7}",
    "\u202e\u2066reversed\u2069 \u200bnothing\ufeff",
    "nul \x00 escape \x1b[2J bell \x07 del \x7f",
    "x" * 30_000,
    "<b>" * 2000,
)


def hostile_events() -> Iterator[dict[str, Any] | bytes]:
    """Each attack in every field that a page may show."""
    for number, attack in enumerate(ATTACKS):
        yield {
            "@timestamp": "2025-01-02T03:04:05.678Z",
            "message": f"ERROR|{attack}|2025-01-02T03:04:05.678Z|{attack}",
            "group": "pt", "service": "django", "log": {"offset": number, "file": {"path": attack}},
            "agent": {"type": attack, "version": attack, "id": attack}, "host": {"name": attack},
            attack[:200]: attack, "tags": [attack],
        }  # fmt: skip
        yield {"message": attack, "group": "pt", "service": "nginx"}
        yield {"message": attack, "group": "pt", "service": attack[:300]}
        yield {"message": attack, "group": "pt", "service": "django", "tags": 7, "x": attack}
        yield b'{"message": ' + attack.encode()
    yield b'{"message":"\xff<script>window.__ran=1</script>","group":"pt","service":"dj\xffango"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("hostile"), api={"token": TOKEN}) as server:
        server.send_events(hostile_events())
        yield server


@pytest.fixture
def inside(browser: Browser, server: Running) -> Browser:
    """A browser that has logged in."""
    browser.open(server.console)
    browser.fill("#token", TOKEN)
    browser.click(".login button")
    browser.find("nav")
    return browser


def assert_nothing_ran(browser: Browser, server: Running) -> None:
    assert browser.run("return window.__ran === undefined"), "a script of an event ran"
    assert browser.url.startswith(server.console), "an event led elsewhere"
    assert browser.run("return getComputedStyle(document.body).display") != "none"
    for made in (
        "iframe",
        "base",
        "style",
        "img",
        "svg[onload]",
        "a[href^=javascript]",
        "form[action^=http]",
        "meta[http-equiv]",
        "script:not([src])",
        "[onerror]",
    ):
        assert browser.all(made) == [], f"an event made a {made}"  # fmt: skip
    browser.assert_quiet(origin=server.origin)


@pytest.mark.parametrize("path", ["", "failures", "dead-letters"])
def test_pages_show_hostile_events_as_text(inside: Browser, server: Running, path: str) -> None:
    inside.open(server.console + path)

    inside.find("table")
    assert_nothing_ran(inside, server)


def test_the_pages_fit_the_screen_whatever_they_show(inside: Browser, server: Running) -> None:
    inside.size(390)
    for path in ("", "failures", "dead-letters"):
        inside.open(server.console + path)
        wide = inside.run("""
          return [...document.querySelectorAll('main *')].filter((one) => !one.closest('.scroll')
            && one.getBoundingClientRect().right > 391).map((one) => one.outerHTML.slice(0, 200));
        """)
        assert wide == []
        assert inside.run("return document.documentElement.scrollWidth") <= 390

    inside.size(1280)
    assert_nothing_ran(inside, server)


def test_each_dead_letter_shows_its_hostile_event_as_text(inside: Browser, server: Running) -> None:
    inside.open(server.console + "dead-letters")
    hrefs = [
        one.get_attribute("href")
        for one in inside.all("#letters tbody th a[href*='dead-letters/']")
    ]
    assert len(hrefs) > len(ATTACKS)

    for href in hrefs:
        inside.open(str(href))
        inside.find("#raw")
        assert inside.run("return window.__ran === undefined")

    assert_nothing_ran(inside, server)


def test_what_turns_text_round_is_shown_as_its_number(inside: Browser, server: Running) -> None:
    inside.open(server.console + "dead-letters")

    assert "⟨U+202E⟩" in inside.text("#groups")
    assert not inside.run("return /[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.innerText)")


@pytest.mark.parametrize("number", range(len(ATTACKS)))
def test_a_hostile_line_that_somebody_tries_is_text_too(
    inside: Browser, server: Running, number: int
) -> None:
    inside.open(server.console + "failures")
    inside.run("document.querySelector('#lines').value = arguments[0]", ATTACKS[number])
    inside.run("document.querySelector('#service').value = arguments[0]", ATTACKS[number][:200])

    inside.click("form[action*='failures/line'] button")

    inside.find("#result article")
    assert_nothing_ran(inside, server)


def test_a_hostile_address_is_text_too(inside: Browser, server: Running) -> None:
    for query in ("reason=%3Cscript%3Ewindow.__ran=1%3C/script%3E", "stream=%22%3E%3Csvg/onload=x"):
        inside.open(f"{server.console}dead-letters?{query}")
        inside.find("#letters")
        assert_nothing_ran(inside, server)
