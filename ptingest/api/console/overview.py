"""The first page: is all well, and if not, what is wrong and what cures it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ptingest.api.console.site import Site

if TYPE_CHECKING:
    from aiohttp import web


class Overlooked(Protocol):
    """Whose state is shown."""

    async def refresh(self) -> None: ...
    def status(self) -> dict[str, Any]: ...


def overview_routes(site: Site, view: Overlooked) -> list[web.RouteDef]:
    """Return the routes of the overview."""
    from aiohttp import web

    async def overview(request: web.Request) -> web.StreamResponse:
        await view.refresh()
        status = view.status()
        return await site.page(
            request, "overview.html", troubles=status.get("not_ready_because", ()), status_of=status
        )

    return [web.get("/", overview)]
