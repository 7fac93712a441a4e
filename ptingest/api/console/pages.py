"""The list of pages: each module's routes, in the order of the navigation."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ptingest.api.console.dead_letters import letters_routes
from ptingest.api.console.dry_run import DryRun
from ptingest.api.console.explore import explore_routes
from ptingest.api.console.failure_stores import FailureStores, ReadsFailures
from ptingest.api.console.failures import failures_routes
from ptingest.api.console.history import History
from ptingest.api.console.overview import cpu_seconds_of, overview_routes, troubles_of
from ptingest.api.console.site import NavigationEntry, Site, console_app
from ptingest.api.console.trace import trace_routes
from ptingest.api.letters import DeadLetterJobs
from ptingest.api.view import StatusView
from ptingest.api.why import TraceService
from ptingest.dead_letters.browser import DeadLetterBrowser
from ptingest.doctor.kafka import kafka_rows
from ptingest.model.explore import DocumentReader
from ptingest.model.streams import StreamNames
from ptingest.pipeline.pipeline import Pipeline
from ptingest.pipeline.route import stream_names
from ptingest.settings.api import ApiSettings
from ptingest.settings.console import SavedSearch
from ptingest.settings.server import ServerSettings
from ptingest.sinks.read.reader import document_reader, failure_reader
from ptingest.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from aiohttp import web


def console_dependencies(
    settings: ServerSettings, *, pipeline: Callable[[], Pipeline]
) -> ConsoleDependencies:
    """Return those of one server; ``pipeline`` gives the pipeline in force, for dry runs and for
    the names of data streams."""
    folder = Path(settings.data_dir)

    def streams() -> StreamNames:
        return stream_names(pipeline().profile)

    return ConsoleDependencies(
        dry_run=DryRun(pipeline),
        letters=DeadLetterBrowser(folder / "dead_letters"),
        searches=settings.console.searches,
        kibana_url=settings.console.kibana_url,
        explorer=document_reader(settings, streams),
        failures=failure_reader(settings, streams),
    )


@dataclass(frozen=True, slots=True)
class ConsoleDependencies:
    """Handed to the API when it starts."""

    dry_run: DryRun | None = None
    letters: DeadLetterBrowser | None = None
    explorer: DocumentReader | None = None
    """None where no sink can be read; the page says so."""
    failures: Callable[[], ReadsFailures] | None = None
    """Opens a reader of failure stores; None where the config has no Elasticsearch."""
    searches: Sequence[SavedSearch] = ()
    kibana_url: str | None = None


IN_TROUBLE = "ptingest_lane_is_in_trouble"


class Console:
    """Everything under `/console/`; a page is rendered only when it is requested."""

    def __init__(
        self,
        settings: ApiSettings,
        view: StatusView,
        metrics: Metrics,
        dependencies: ConsoleDependencies,
        jobs: DeadLetterJobs | None,
        why: TraceService | None = None,
    ) -> None:
        self._view, self._metrics = view, metrics
        self._history = History(metrics)
        site = Site(settings)
        site.navigation.append(NavigationEntry("/", "Overview"))
        routes = overview_routes(
            site, view, metrics, self._history, explores=dependencies.explorer is not None
        )
        site.navigation.append(NavigationEntry("/explore", "Explore"))
        routes += explore_routes(
            site,
            dependencies.explorer,
            dependencies.dry_run,
            shows_traces=why is not None,
            searches=dependencies.searches,
            kibana_url=dependencies.kibana_url,
        )
        if why is not None:
            routes += trace_routes(site, why)
        if dependencies.dry_run is not None:
            site.navigation.append(NavigationEntry("/failures", "Parse failures"))
            routes += failures_routes(
                site, view, metrics, dependencies.dry_run, dependencies.explorer
            )
        failures = None if dependencies.failures is None else FailureStores(dependencies.failures)
        if dependencies.letters is not None and jobs is not None:
            site.navigation.append(NavigationEntry("/dead-letters", "Dead letters"))
            routes += letters_routes(site, dependencies.letters, jobs, failures)
        self.app: web.Application = console_app(site, routes)
        for one in (dependencies.explorer, failures):
            if one is not None:
                self.app.on_cleanup.append(_closing(one))

    def sample(self) -> None:
        """Keep what the charts need; called every ten seconds, after ``view.refresh``."""
        self._metrics.refresh()
        now = time.time()
        self._history.sample(now)
        status = self._view.status()
        self._history.note_cpu(cpu_seconds_of(status), now)
        rows = kafka_rows(status)
        self._history.note_kafka({row.name: (row.taken, row.safe) for row in rows}, now)
        if any(value for _, value in self._metrics.labelled(IN_TROUBLE)):
            self._history.note_troubles(troubles_of(self._view.status()), now)


def _closing(reader: DocumentReader | FailureStores) -> Callable[[object], Awaitable[None]]:
    return lambda _: reader.close()
