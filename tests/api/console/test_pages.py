"""Which pages there are."""

from __future__ import annotations

import re

from tests.api.console.serving import console


async def test_the_navigation_names_every_page_that_is_there() -> None:
    async with console() as served:
        page = await served.read("/console/")
        navigation = page.partition("<nav")[2].partition("</nav>")[0]

        places = re.findall(r'href="([^"]+)"[^>]*>([^<]+)<', navigation)
        for path, _ in places:
            assert 'aria-current="page"' in await served.read(path)

    assert [title for _, title in places] == ["Overview"]
