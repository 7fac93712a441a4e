"""The list of pages: each module's routes, in the order of the navigation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ptingest.api.console.dead_letters import LettersShelf, letters_routes
from ptingest.api.console.explore import Explorer, explore_routes
from ptingest.api.console.failures import Trial, failures_routes
from ptingest.api.console.history import History
from ptingest.api.console.life import life_routes
from ptingest.api.console.overview import overview_routes, troubles_of
from ptingest.api.console.site import Place, Site, console_app
from ptingest.api.console.trial import LineTrial
from ptingest.api.letters import LettersDesk
from ptingest.api.why import WhyDesk
from ptingest.dead_letters.browser import Shelf
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.api import ApiSettings
from ptingest.settings.server import ServerSettings
from ptingest.sinks.store.read.pool import StoreExplorer
from ptingest.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from aiohttp import web


def console_seams(settings: ServerSettings, *, pipeline: Callable[[], Pipeline]) -> Seams:
    """Return the seams of one server; ``pipeline`` gives the one in force, for what is tried."""
    folder, store = Path(settings.data_dir), settings.sinks.store
    return Seams(
        trial=LineTrial(pipeline),
        shelf=Shelf(folder / "dead_letters"),
        explorer=StoreExplorer(folder / store.path) if store is not None else None,
    )


@dataclass(frozen=True, slots=True)
class Seams:
    """Handed to the API when it starts."""

    trial: Trial | None = None
    shelf: LettersShelf | None = None
    explorer: Explorer | None = None
    """None where no store is kept; the page is there and says so."""


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
