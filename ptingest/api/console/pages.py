"""The list of pages: each module's routes, in the order of the navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ptingest.api.console.overview import overview_routes
from ptingest.api.console.seams import Seams
from ptingest.api.console.site import Place, Site, console_app
from ptingest.settings.api import ApiSettings

if TYPE_CHECKING:
    from aiohttp import web


class StatusView(Protocol):
    """The part of `ptingest.api.app.StatusView` that pages read."""

    async def refresh(self) -> None: ...
    def readiness(self) -> list[str]: ...
    def status(self) -> dict[str, object]: ...


def build_console(settings: ApiSettings, view: StatusView, seams: Seams) -> web.Application:
    """Return the whole console; nothing of it is rendered or read before it is asked for."""
    del seams  # no page needs one yet
    site = Site(settings)
    site.navigation.append(Place("/", "Overview"))
    routes = overview_routes(site, view)
    return console_app(site, routes)
