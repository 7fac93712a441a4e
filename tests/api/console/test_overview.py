"""The first page."""

from __future__ import annotations

from tests.api.console.serving import console


async def test_all_is_well_when_nothing_speaks_against_it() -> None:
    async with console() as served:
        assert "All is well." in await served.read("/console/")


async def test_what_is_wrong_is_said_first() -> None:
    async with console() as served:
        served.view.shown = {"not_ready_because": ["sink elasticsearch: 401 <b>"]}

        page = await served.read("/console/")

    assert "sink elasticsearch: 401 &lt;b&gt;" in page
    assert "All is well" not in page
