"""Which pages there are."""

from __future__ import annotations

import re

from ptingest.api.console.pages import Console
from ptingest.api.console.seams import Seams
from ptingest.settings.api import ApiSettings
from ptingest.telemetry.metrics import Metrics
from tests.api.console.serving import console
from tests.api.test_app import View


async def test_the_navigation_names_every_page_that_is_there() -> None:
    async with console() as served:
        page = await served.read("/console/")
        navigation = page.partition("<nav")[2].partition("</nav>")[0]

        places = re.findall(r'href="([^"]+)"[^>]*>([^<]+)<', navigation)
        for path, _ in places:
            assert 'aria-current="page"' in await served.read(path)

    assert [title for _, title in places] == ["Overview", "Explore"]


async def test_the_last_trouble_of_a_sink_is_kept_by_the_samples() -> None:
    view, metrics = View(), Metrics()
    view.shown = {"lanes": {"store": {"trouble": "disk full"}}}
    pages = Console(ApiSettings(), view, metrics, Seams(), None)
    pages.sample()
    assert pages._history.troubles == {}

    metrics.set("ptingest_lane_is_in_trouble", 1, "store")
    pages.sample()

    assert pages._history.troubles["store"].text == "disk full"
