"""One Chromium for a whole run; each test has a tab of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.running import Running, running

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from tests.browser.chromium import Browser

SECONDS = 180
"""For each test here: a server and a browser are slower than functions."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need software that others wrote, and time."""
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.peer)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """The browser itself; use ``browser``."""
    from tests.browser.chromium import start_chromium

    with start_chromium(tmp_path_factory.mktemp("chromium")) as chrome:
        yield chrome


@pytest.fixture
def browser(chromium: Chrome) -> Iterator[Browser]:
    """A tab that remembers what its pages did; end each test with ``assert_quiet``."""
    from tests.browser.chromium import Browser

    tab = Browser(chromium)
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with an empty store for the tests of one module; `running` makes others."""
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server
