"""The list of pages: each module's routes, in the order of the navigation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from ptingest.api.console.dead_letters import letters_routes
from ptingest.api.console.explore import explore_routes
from ptingest.api.console.failures import failures_routes
from ptingest.api.console.history import History
from ptingest.api.console.life import life_routes
from ptingest.api.console.overview import overview_routes, troubles_of
from ptingest.api.console.seams import Seams
from ptingest.api.console.site import Place, Site, console_app
from ptingest.api.letters import LettersDesk
from ptingest.api.why import WhyDesk
from ptingest.settings.api import ApiSettings
from ptingest.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from aiohttp import web

IN_TROUBLE = "ptingest_lane_is_in_trouble"


class StatusView(Protocol):
    """The part of `ptingest.api.app.StatusView` that pages read."""

    async def refresh(self) -> None: ...
    def status(self) -> dict[str, Any]: ...


class Console:
    """Everything under `/console/`; nothing of it is rendered before it is asked for."""

    def __init__(
        self,
        settings: ApiSettings,
        view: StatusView,
        metrics: Metrics,
        seams: Seams,
        desk: LettersDesk | None,
        why: WhyDesk | None = None,
    ) -> None:
        self._view, self._metrics = view, metrics
        self._history = History(metrics)
        site = Site(settings)
        site.navigation.append(Place("/", "Overview"))
        routes = overview_routes(site, view, metrics, self._history)
        site.navigation.append(Place("/explore", "Explore"))
        routes += explore_routes(site, seams.explorer, seams.trial, tells_lives=why is not None)
        if why is not None:
            routes += life_routes(site, why)
        if seams.trial is not None:
            site.navigation.append(Place("/failures", "Parse failures"))
            routes += failures_routes(site, view, metrics, seams.trial)
        if seams.shelf is not None and desk is not None:
            site.navigation.append(Place("/dead-letters", "Dead letters"))
            routes += letters_routes(site, seams.shelf, desk)
        self.app: web.Application = console_app(site, routes)

    def sample(self) -> None:
        """Keep what the charts need; called every ten seconds, after ``view.refresh``."""
        self._metrics.refresh()
        now = time.time()
        self._history.sample(now)
        if any(value for _, value in self._metrics.labelled(IN_TROUBLE)):
            self._history.note_troubles(troubles_of(self._view.status()), now)
