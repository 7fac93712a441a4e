"""Headless Chromium: opens pages of ours and remembers all that they did.

    requests      every address that a page asked for
    complaints    what Chromium wrote to its console: errors, refused by the policy, 404s
    blocked       each violation of the Content-Security-Policy

`Browser.assert_quiet` is what every test ends with. Names are not looked up at all, so that
what would leave this host shows as a request and goes nowhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.peers.tools import require_tool
from tests.support.waiting import wait_until

T = TypeVar("T")

WAIT_SECONDS = 30.0
"""How long a test waits for something to appear on a page."""
FLAGS = (
    "--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
_WATCH_POLICY = """
window.__blocked = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.__blocked.push(event.violatedDirective + ' ' + (event.blockedURI || 'inline'));
});
"""
Theme = str
"""``light`` or ``dark``."""


@contextmanager
def start_chromium(folder: Path) -> Iterator[Chrome]:
    """Start one browser with an empty profile in ``folder``; skips where there is none."""
    options = ChromeOptions()
    options.binary_location = require_tool("chromium")
    driver = require_tool("chromedriver")
    flags = [*FLAGS, f"--user-data-dir={folder}"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    for flag in flags:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


class Browser:
    """One tab, and what its pages did since it was opened."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.blocked: list[str] = []
        chrome.switch_to.new_window("tab")
        self._forget()
        self._command("Page.addScriptToEvaluateOnNewDocument", source=_WATCH_POLICY)

    def close(self) -> None:
        """Close the tab and forget its cookies."""
        self.chrome.delete_all_cookies()
        self.chrome.close()
        self.chrome.switch_to.window(self.chrome.window_handles[0])

    # --- going about --------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        self.collect()
        self.chrome.get(url)

    def back(self) -> None:
        """As the button."""
        self.collect()
        self.chrome.back()

    @property
    def url(self) -> str:
        return str(self.chrome.current_url)

    def size(self, width: int, height: int = 900) -> None:
        """Make the page so many CSS pixels large."""
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def theme(self, theme: Theme) -> None:
        """Prefer ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self._command("Emulation.setEmulatedMedia", features=features)

    def scripts(self, *, are_run: bool) -> None:
        """Switch JavaScript off, or on again."""
        self._command("Emulation.setScriptExecutionDisabled", value=not are_run)

    # --- looking ------------------------------------------------------------------------

    def find(self, selector: str) -> WebElement:
        """The first element, waited for."""
        return self.wait(lambda: next(iter(self.all(selector)), None), f"no {selector}")

    def all(self, selector: str) -> list[WebElement]:
        """All elements that are there now."""
        return list(self.chrome.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector: str = "body") -> str:
        """What can be read in an element."""
        return str(self.find(selector).text)

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript in the page (from outside: no policy applies) and return its value."""
        return self.chrome.execute_script(script, *arguments)

    def wait(self, look: Callable[[], T | None], otherwise: str) -> T:
        """Look until something truthy is seen, for half a minute at most."""
        seen = wait_until(
            lambda: _unless_gone(look), seconds=WAIT_SECONDS, otherwise=lambda: otherwise
        )
        assert seen is not None
        return seen

    def wait_for_text(self, text: str, selector: str = "body") -> None:
        """Wait until an element says something."""
        self.wait(lambda: text in self.text(selector), f"{selector} never said {text!r}")

    def press(self, *keys: str) -> None:
        """Press keys where the focus is; special ones are in selenium's ``Keys``."""
        self.chrome.switch_to.active_element.send_keys(*keys)

    def click(self, selector: str) -> None:
        """Click as a person would: what is covered or hidden cannot be."""
        self.find(selector).click()

    def fill(self, selector: str, text: str) -> None:
        """Replace what stands in a field, by typing."""
        field = self.find(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def screenshot(self, path: Path) -> None:
        """Write a PNG of the whole page, however long (8,000 pixels at most)."""
        height = self.run("return Math.min(8000, document.documentElement.scrollHeight)")
        width = self.run("return document.documentElement.clientWidth")
        self.size(width, max(height, 400))
        path.write_bytes(self.chrome.get_screenshot_as_png())

    # --- what the pages did -------------------------------------------------------------

    def collect(self) -> None:
        """Take over what happened since the last time; ``open`` does it for the page left."""
        if self.url.startswith("http"):
            self.blocked += self.run("return window.__blocked || []")
            self.run("window.__blocked = []")
        self.complaints += [
            f"{entry['level']} {entry['source']}: {entry['message']}"
            for entry in self.chrome.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]
        for entry in self.chrome.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])

    def assert_quiet(self, *, origin: str) -> None:
        """Nothing was asked for but from ``origin``, and neither page nor policy complained."""
        self.collect()
        strangers = [url for url in self.requests if not _is_from(url, origin)]
        assert strangers == [], "a page asked for something elsewhere"
        assert self.blocked == [], "a page tried what the policy forbids"
        assert self.complaints == [], "Chromium complained"

    def _forget(self) -> None:
        self.chrome.get_log("browser")
        self.chrome.get_log("performance")

    def _command(self, name: str, **arguments: object) -> Any:
        return self.chrome.execute_cdp_cmd(name, arguments)


def _unless_gone(look: Callable[[], T | None]) -> T | None:
    """Look; what was swapped or left between finding and reading it was not seen."""
    try:
        return look()
    except StaleElementReferenceException:
        return None


def _is_from(url: str, origin: str) -> bool:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" == origin or parts.scheme in ("about", "devtools")
