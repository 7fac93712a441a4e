"""Looking into the store: a newcomer's path, a live tail, the back button, keys, hostile text."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from benchmarks import corpus
from benchmarks.processes import ROOT, SERVER
from tests.browser.chromium import Browser
from tests.browser.running import Running, running
from tests.browser.test_hostile import ATTACKS, hostile_events
from tests.support.store_segments import store

SPAN = timedelta(minutes=45)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a thousand records of six services, of the last three quarters of an hour."""
    with running(tmp_path_factory.mktemp("demo")) as server:
        ship(server, 1000)
        yield server


def ship(server: Running, total: int) -> None:
    counts = {service: total * share // 100 for service, share in corpus.MIX.items()}
    start = datetime.now(UTC) - SPAN
    corpus.write_logs(server.folder / "logs", counts, 7, start=start, span=SPAN)
    for service in counts:
        log = server.folder / "logs" / f"{service}.log"
        words = ["--to", f"127.0.0.1:{server.beats_port}", "--service", service]
        words += ["--registry", str(server.folder / "demo.json")]
        subprocess.run([*SERVER, "send", str(log), *words], cwd=ROOT, check=True, timeout=60)


def asked(browser: Browser) -> dict[str, str]:
    """What the address says."""
    parts = parse_qs(urlsplit(browser.url).query, keep_blank_values=True)
    return {name: values[0] for name, values in parts.items()}


def test_a_newcomer_finds_a_traceback(browser: Browser, server: Running) -> None:
    browser.open(server.console)
    browser.click("nav a[href$='/explore']")
    browser.wait_for_text("ptingest send", "#begin")

    ship(server, 600)
    browser.click("#begin .button")
    browser.wait_for_text("600 documents", ".sum")
    browser.click(".examples summary")
    browser.click(".examples li:nth-child(2) a")
    browser.wait_for_text("log_level", ".facets")
    assert asked(browser)["q"] == "group:pt AND service:django AND log_level:ERROR"
    browser.press("/")
    browser.fill("#q", "log_level:ERROR and traceback")
    browser.press(Keys.ENTER)
    browser.wait(lambda: asked(browser)["q"].endswith("traceback"), "never searched")
    browser.press("j")
    browser.press(Keys.ENTER)

    browser.wait_for_text("Traceback (most recent call last):", ".opened")
    browser.wait_for_text("carrier said no", ".opened")
    browser.wait_for_text("How the line is parsed", ".opened")
    browser.wait_for_text("Before and after, in the same file", ".opened")
    browser.assert_quiet(origin=server.origin)


def test_a_live_tail_shows_what_is_stored_while_it_is_watched(
    browser: Browser, demo: Running
) -> None:
    browser.open(demo.console + "explore")
    browser.click("#live")
    browser.wait_for_text("waiting for what is stored next", "#tail-state")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    for number in range(3):
        demo.send_lines([f"INFO|apps.live|{now}|Parcel {number} is live"], service="django")
        browser.wait_for_text(f"Parcel {number} is live", "#hits")

    browser.wait_for_text("Live: 3 new", "#tail-state")
    first = browser.all("#hits tr.hit")[0].text
    assert "Parcel 2 is live" in first
    browser.click("#live")
    browser.wait_for_text("Live tail is paused", "#tail-state")
    assert browser.text("#live") == "Go on"
    browser.assert_quiet(origin=demo.origin)


def test_a_live_tail_keeps_the_sum_and_the_histogram_current_and_goes_on_after_a_pause(
    browser: Browser, demo: Running
) -> None:
    browser.open(demo.console + "explore?q=logger_name:apps.pause&since=1h")
    browser.open(demo.console + "explore?since=1h")
    before = int(browser.text(".sum strong").replace(",", ""))
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    browser.click("#live")
    browser.wait_for_text("waiting for what is stored next", "#tail-state")

    demo.send_lines([f"CRITICAL|apps.pause|{now}|Parcel {n}" for n in range(3)], service="react")

    browser.wait_for_text(f"{before + 3:,}", "#sum")
    steps = [str(one.get_attribute("aria-label")) for one in browser.all("#plot .step")]
    assert sum(int(one.split(": ")[1].split()[0].replace(",", "")) for one in steps) == before + 3
    browser.click("#live")
    browser.wait_for_text("paused", "#tail-state")
    demo.send_lines([f"INFO|apps.pause|{now}|while it was paused"], service="react")
    browser.click("#live")
    browser.wait_for_text("while it was paused", "#hits")
    browser.assert_quiet(origin=demo.origin)


def test_times_are_shown_in_the_zone_that_was_chosen(browser: Browser, demo: Running) -> None:
    browser.chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    browser.open(demo.console + "explore?since=1h")
    utc = datetime.fromisoformat(browser.text("#hits tr.hit .when a"))

    browser.click("#zones button:nth-child(2)")
    browser.wait_for_text("Time (Asia/Tokyo)", "#hits thead")
    shown = datetime.fromisoformat(browser.text("#hits tr.hit .when a"))
    browser.press("j")
    browser.press(Keys.ENTER)
    browser.wait_for_text("Asia/Tokyo", ".opened h1")
    browser.open(demo.console + "explore?since=1h")

    assert shown - utc == timedelta(hours=9)
    assert "Asia/Tokyo" in browser.text(".axis")
    assert browser.find("#plot .step").get_attribute("aria-label")[:10] == f"{shown:%Y-%m-%d}"
    browser.fill("#since", f"{shown:%Y-%m-%d %H:%M}")
    browser.press(Keys.ENTER)
    browser.wait(lambda: asked(browser)["since"] != "1h", "never searched")
    assert asked(browser)["since"] == f"{utc:%Y-%m-%dT%H:%M}:00.000Z"
    browser.click("#zones button:nth-child(1)")
    browser.wait_for_text("Time (UTC)", "#hits thead")
    browser.chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
    browser.assert_quiet(origin=demo.origin)


def test_a_span_of_the_histogram_is_chosen_by_keyboard(browser: Browser, demo: Running) -> None:
    browser.open(demo.console + "explore?since=1h")
    steps = browser.all("#plot .step")
    at = next(n for n, one in enumerate(steps) if one.get_attribute("tabindex") != "-1")
    wanted = (steps[at].get_attribute("data-start"), steps[at + 2].get_attribute("data-end"))
    browser.run("arguments[0].focus()", steps[at])

    browser.press(Keys.SHIFT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert len(browser.all("#plot .step.chosen")) == 3
    browser.press(Keys.ENTER)

    browser.wait(lambda: asked(browser)["since"] != "1h", "the time stayed as it was")
    assert (asked(browser)["since"], asked(browser)["until"]) == wanted
    browser.assert_quiet(origin=demo.origin)


def test_on_a_phone_the_values_are_a_click_away_above_the_documents(
    browser: Browser, demo: Running
) -> None:
    browser.scripts(are_run=False)
    browser.size(390)
    browser.open(demo.console + "explore?since=1h")
    assert not browser.find("#facets").is_displayed()

    browser.click("label.show-values")

    facets, hits = browser.find("#facets"), browser.find("#hits")
    assert facets.is_displayed()
    assert facets.location["y"] < hits.location["y"]


def test_back_and_shared_addresses_show_what_was_seen(browser: Browser, demo: Running) -> None:
    browser.open(demo.console + "explore?since=1h")
    everything = browser.text(".sum strong")

    browser.click(".facets details:nth-of-type(1) li:nth-child(1) .value")
    browser.wait(lambda: asked(browser).get("q"), "the facet led nowhere")
    django, address = browser.text(".sum strong"), browser.url
    chosen = browser.find(".facets .value[aria-current]").text
    browser.click(".facets .value[aria-current]")
    browser.wait(lambda: asked(browser)["q"] == "", "the facet was not taken out")
    assert browser.text(".sum strong") == everything
    browser.back()
    browser.wait(lambda: asked(browser).get("q"), "back led nowhere")

    assert (browser.text(".sum strong"), chosen) == (django, "django")
    assert browser.find("#q").get_attribute("value") == "service:django"
    browser.open("about:blank")
    browser.open(address)
    assert browser.text(".sum strong") == django
    browser.assert_quiet(origin=demo.origin)


def test_a_step_of_the_histogram_and_a_row_are_addresses_without_javascript(
    browser: Browser, demo: Running
) -> None:
    browser.scripts(are_run=False)
    browser.open(demo.console + "explore?q=log_level:ERROR&since=2h")

    step = str(browser.find("svg .step:not([tabindex])").get_dom_attribute("href"))
    row = str(browser.find("#hits .when a:not(.whole)").get_attribute("href"))
    browser.open(demo.origin + step)
    assert "document" in browser.text(".sum")
    browser.open(row)
    assert "logs-" in browser.text("#document-title")


def test_fields_and_values_are_completed_by_keyboard(browser: Browser, demo: Running) -> None:
    browser.open(demo.console + "explore?since=1h")

    browser.press("/")
    browser.press("log_le")
    browser.find("#completions li")
    browser.press(Keys.TAB)
    browser.wait_for_text("ERROR", "#completions")
    browser.press("ERR")
    browser.wait(lambda: len(browser.all("#completions li")) == 1, "not narrowed")
    browser.press(Keys.ARROW_DOWN, Keys.ENTER)
    assert browser.find("#q").get_property("value") == "log_level:ERROR"
    browser.press(Keys.ENTER)

    browser.wait(lambda: asked(browser).get("q") == "log_level:ERROR", "never searched")
    browser.assert_quiet(origin=demo.origin)


def test_a_wrong_query_is_shown_at_its_column(browser: Browser, demo: Running) -> None:
    browser.open(demo.console + "explore?q=service:django+and+)&since=1h")

    assert "column 20" in browser.text("#trouble")
    assert browser.text("#trouble mark") == ")"
    assert browser.find("#q").get_attribute("aria-invalid") == "true"


def test_rows_open_and_close_by_keyboard(browser: Browser, demo: Running) -> None:
    browser.open(demo.console + "explore?since=1h")

    browser.press("jj")
    assert browser.run("return document.activeElement.closest('tr') === arguments[0]",
                       browser.all("#hits tr.hit")[1])  # fmt: skip
    browser.press(Keys.ENTER)
    browser.find(".opened .document")
    browser.press(Keys.ESCAPE)
    browser.wait(lambda: not browser.all(".opened"), "never closed")
    browser.press("k")

    assert browser.run("return document.activeElement.closest('tr') === arguments[0]",
                       browser.all("#hits tr.hit")[0])  # fmt: skip
    browser.assert_quiet(origin=demo.origin)


@pytest.mark.parametrize("width", [390, 1024, 1900])
def test_the_page_fits_and_everything_has_a_name(
    browser: Browser, demo: Running, width: int
) -> None:
    browser.size(width)
    for path in ("explore?since=1h", "explore/document?id=5"):
        browser.open(demo.console + path)
        assert browser.run("return document.documentElement.scrollWidth") <= width
        nameless = browser.run("""
          const named = (one) => one.labels?.length || one.getAttribute('aria-label')
            || one.getAttribute('aria-labelledby') || one.textContent.trim()
            || one.type === 'hidden';
          return [...document.querySelectorAll('input, select, textarea, button, a, meter, svg')]
            .filter((one) => !named(one)).map((one) => one.outerHTML);
        """)
        assert nameless == []
        assert browser.run("return [...document.querySelectorAll('table')].filter((one) =>"
                           " !one.caption).length") == 0  # fmt: skip
    browser.assert_quiet(origin=demo.origin)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("hostile")) as server:
        server.send_events(hostile_events())
        yield server


def assert_nothing_ran(browser: Browser, server: Running) -> None:
    assert browser.run("return window.__ran === undefined"), "a script of an event ran"
    for made in ("iframe", "base", "style", "img", "svg[onload]", "[onerror]", "script:not([src])",
                 "a[href^=javascript]", "form[action^=http]", "meta[http-equiv]"):  # fmt: skip
        assert browser.all(made) == [], f"an event made a {made}"
    browser.assert_quiet(origin=server.origin)


def test_hostile_events_are_text_in_every_column_and_row(
    browser: Browser, hostile: Running
) -> None:
    columns = "message,service,log_level,logger_name,agent.id,host.name,log.file.path,tags,x"
    browser.open(f"{hostile.console}explore?since=&columns={columns}")
    assert "<script>" in browser.text("#hits")

    for row in browser.all("#hits .when a:not(.whole)")[:6]:
        browser.run("arguments[0].click()", row)
    browser.wait(lambda: len(browser.all(".opened .document")) == 6, "rows did not open")

    assert_nothing_ran(browser, hostile)


def test_hostile_documents_are_text_on_their_own_pages(browser: Browser, hostile: Running) -> None:
    browser.open(f"{hostile.console}explore?since=")
    hrefs = [str(one.get_attribute("href")) for one in browser.all("#hits .when a:not(.whole)")]
    assert len(hrefs) > len(ATTACKS)

    for href in hrefs[::3]:
        browser.open(href)
        browser.find("#document")
        assert browser.run("return window.__ran === undefined")

    assert_nothing_ran(browser, hostile)


def test_a_hostile_address_and_its_completions_are_text(browser: Browser, hostile: Running) -> None:
    attack = "%22%3E%3Csvg%20onload=window.__ran=1%3E"
    browser.open(f"{hostile.console}explore?since=&columns={attack}&q=%22{attack[3:]}%22")
    browser.press("/")
    browser.fill("#q", "agent.id:")
    browser.find("#completions li")

    assert_nothing_ran(browser, hostile)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server on a store with a hundred thousand documents; a million are a benchmark."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "data").mkdir()
    store(folder / "data" / "store.sqlite", segments=6, more=1696).close()
    with running(folder) as server:
        yield server


def test_a_large_store_is_counted_whole_and_paged(browser: Browser, large: Running) -> None:
    browser.open(large.console + "explore?since=")
    assert browser.text(".sum strong") == "99,997"
    levels = [int(one.text.replace(",", "")) for one in browser.all(".legend b")]
    timeless = browser.text(".timeline > .hint").split()[0].replace(",", "")
    assert sum(levels) + int(timeless) == 99_997

    first = browser.text("#hits tr.hit .when")
    browser.click(".pager a[rel=next]")
    browser.wait(lambda: "place" in asked(browser), "there was no older page")
    assert browser.text("#hits tr.hit .when") <= first
    browser.back()
    browser.wait(lambda: "place" not in asked(browser), "back led nowhere")

    assert browser.text("#hits tr.hit .when") == first
    browser.assert_quiet(origin=large.origin)


def test_dragging_over_the_histogram_narrows_the_time(browser: Browser, demo: Running) -> None:
    browser.open(demo.console + "explore?since=1h")
    steps = [one for one in browser.all("#plot .step") if one.get_attribute("tabindex") != "-1"]
    first, last = steps[1], steps[3]
    wanted = (first.get_attribute("data-start"), last.get_attribute("data-end"))
    inside = sum(
        int(one.get_attribute("aria-label").split(": ")[1].split(" ")[0].replace(",", ""))
        for one in browser.all("#plot .step")
        if wanted[0] <= one.get_attribute("data-start")
        and one.get_attribute("data-end") <= wanted[1]
    )

    ActionChains(browser.chrome).click_and_hold(last).move_to_element(first).release().perform()

    browser.wait(lambda: asked(browser)["since"] != "1h", "the time stayed as it was")
    assert (asked(browser)["since"], asked(browser)["until"]) == wanted
    assert browser.text(".sum strong") == str(inside)
    browser.assert_quiet(origin=demo.origin)


def test_a_view_is_downloaded_as_a_table_and_as_lines(
    browser: Browser, demo: Running, tmp_path: Path
) -> None:
    browser.chrome.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    browser.open(demo.console + "explore?since=&q=log_level:ERROR&columns=service,message")
    documents = int(browser.text(".sum strong"))

    browser.click(".actions a[href*='as=csv']")
    browser.click(".actions a[href*='as=ndjson']")

    files = [tmp_path / "ptingest.csv", tmp_path / "ptingest.ndjson"]
    browser.wait(lambda: all(file.exists() for file in files), "nothing was downloaded")
    with files[0].open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    lines = [json.loads(line) for line in files[1].read_text("utf-8").splitlines()]
    assert head == ["@timestamp", "service", "message"]
    assert len(rows) == len(lines) == documents
    assert {line["log_level"] for line in lines} == {"ERROR"}
    browser.assert_quiet(origin=demo.origin)


def test_several_workers_fill_one_store_and_tell_one_life(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as server:
        for service in ("django", "celery", "flower", "react"):
            server.send_lines(
                [f"ERROR|apps.{service}|2025-01-02T03:04:05Z|{service}"], service=service
            )
        browser.open(server.console + "explore?since=")
        assert browser.text(".sum strong") == "4"
        browser.click("#live")
        browser.wait_for_text("Live: waiting", "#tail-state")

        server.send_lines(["ERROR|apps.late|2025-01-02T03:04:05Z|came late"], service="django")

        browser.wait_for_text("came late", "#hits")
        browser.click("#hits tr.hit .when a")
        browser.click(".opened a.life")
        browser.wait_for_text("store: stored; acked", "h2")
        assert ", worker " in browser.text("main")
        browser.assert_quiet(origin=server.origin)
