"""The console as people use it: by keyboard, without JavaScript, on a phone, over a login."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Browser
from tests.browser.running import Running, running

LINE = "INFO|apps.parcels.views|2025-01-02T03:04:05.678Z|Parcel 42 created"
PAGES = ("", "failures", "dead-letters")


def test_the_overview_follows_what_comes_in_without_a_reload(
    browser: Browser, server: Running
) -> None:
    browser.open(server.console)
    browser.run("window.__same = true")

    server.send_lines([LINE] * 7, service="celery")

    browser.wait(lambda: "celery" in browser.text("#books"), "the books never showed celery")
    assert browser.run("return window.__same") is True
    browser.assert_quiet(origin=server.origin)


def test_refreshing_can_be_paused(browser: Browser, server: Running) -> None:
    browser.open(server.console)
    browser.click("#refreshing button")

    browser.wait_for_text("paused", "#refreshing")
    browser.click("#refreshing button")
    browser.wait_for_text("live", "#refreshing")
    browser.assert_quiet(origin=server.origin)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_can_be_read_without_javascript(
    browser: Browser, server: Running, path: str
) -> None:
    browser.scripts(are_run=False)
    browser.open(server.console + path)

    assert browser.find("main").text.strip()
    assert not browser.find("#refreshing").is_displayed()


def test_the_keyboard_is_enough(browser: Browser, server: Running) -> None:
    browser.open(server.console + "failures")

    browser.press(Keys.TAB)
    assert browser.chrome.switch_to.active_element.text == "Skip to the content"
    browser.press(Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "content"
    browser.press("/")
    assert browser.run("return document.activeElement.id") == "lines"
    browser.press(LINE)
    browser.press(Keys.TAB, Keys.TAB, Keys.TAB)
    browser.press(Keys.ENTER)

    browser.wait_for_text("dotted_milliseconds", "#result")
    browser.assert_quiet(origin=server.origin)


@pytest.mark.parametrize("path", PAGES)
def test_everything_on_a_page_has_a_name(browser: Browser, server: Running, path: str) -> None:
    browser.open(server.console + path)

    nameless = browser.run("""
      const named = (one) => one.labels?.length || one.getAttribute('aria-label')
        || one.getAttribute('aria-labelledby') || one.textContent.trim() || one.type === 'hidden';
      return [...document.querySelectorAll('input, select, textarea, button, a, meter, svg')]
        .filter((one) => !named(one)).map((one) => one.outerHTML);
    """)
    tables = browser.run("""
      return [...document.querySelectorAll('table')].filter((one) => !one.caption
        || [...one.querySelectorAll('th')].some((head) => !head.scope)).length;
    """)
    twice = browser.run("""
      const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
      return ids.filter((id, at) => ids.indexOf(id) !== at);
    """)

    assert (nameless, tables, twice) == ([], 0, [])


def test_a_letter_is_requeued_by_who_logged_in_and_by_nobody_else(
    browser: Browser, tmp_path: Path
) -> None:
    with running(tmp_path, api={"token": "the-right-token"}) as server:
        server.send_events([{"message": LINE, "group": "pt", "service": "Bad Name"}])
        browser.open(server.console + "dead-letters")
        assert "illegal_data_stream" not in browser.text()

        browser.fill("#token", "the-right-token")
        browser.press(Keys.ENTER)
        browser.wait_for_text("illegal_data_stream", "#letters")
        browser.click("#letters tbody input[type=checkbox]")
        browser.click("#letters button[formaction$=requeue]")

        # Its name is as illegal as before, so it is a dead letter again: a new one.
        browser.wait_for_text(
            "The last requeue has finished: 1 chosen, 1 dead lettered", "#progress"
        )
        browser.click("form[action$=logout] button")
        browser.find("#token")
        browser.back()
        browser.find("#token")
        browser.assert_quiet(origin=server.origin)


def test_the_cookie_of_a_login_is_out_of_reach_of_scripts(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path, api={"token": "the-right-token"}) as server:
        browser.open(server.console)
        browser.fill("#token", "the-right-token")
        browser.press(Keys.ENTER)
        browser.find("nav")

        assert browser.run("return document.cookie") == ""
        (cookie,) = browser.chrome.get_cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
