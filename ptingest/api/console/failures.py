"""Lines that fit no pattern and what they lack; and forms to try lines.

Where documents can be read, the lines are read there. Elsewhere their shapes come from
`/status`, masked (letters `a`, digits `0`): no text of an event is kept for this page. Text that
is typed here is shown in the answer only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ptingest.api.console.dry_run import DryRun, Stops
from ptingest.api.console.failed_lines import FailedLines
from ptingest.api.console.site import ROOT, Site
from ptingest.api.view import StatusView
from ptingest.model.explore import DocumentReader
from ptingest.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from aiohttp import web

NOTED = "ptingest_pipeline_noted_events_total"
RECEIVED = "ptingest_flow_received_events_total"
KINDS = ("line", "regex", "json_keys")


class FailuresForm(NamedTuple):
    """The values of the forms."""

    lines: str = ""
    service: str = ""
    multiline: bool = True
    kind: str = "line"
    pattern: str = ""


class FailuresPages:
    """The handlers of this page."""

    def __init__(
        self,
        site: Site,
        view: StatusView,
        metrics: Metrics,
        dry_run: DryRun,
        reader: DocumentReader | None,
    ) -> None:
        self._site, self._view, self._metrics, self._dry_run = site, view, metrics, dry_run
        self._lines = None if reader is None else FailedLines(reader, dry_run)

    async def page(self, request: web.Request) -> web.StreamResponse:
        return await self._show(request, FailuresForm())

    async def try_lines(self, request: web.Request) -> web.StreamResponse:
        asked = _asked(await request.post())
        tried = await self._dry_run.try_lines(
            asked.lines, service=asked.service, multiline=asked.multiline
        )
        results = [result(stops) for stops in tried.stops]
        return await self._show(request, asked, tried=tried, results=results)

    async def try_pattern(self, request: web.Request) -> web.StreamResponse:
        asked = _asked(await request.post())
        found = await self._dry_run.try_pattern(
            asked.kind, asked.pattern, lines=asked.lines, multiline=asked.multiline
        )
        return await self._show(request, asked, pattern_tried=found)

    async def again(self, _: web.Request) -> web.StreamResponse:
        from aiohttp import web

        return web.Response(status=303, headers={"Location": f"{ROOT}/failures"})

    async def _show(
        self, request: web.Request, asked: FailuresForm, **tried: Any
    ) -> web.StreamResponse:
        await self._view.refresh()
        values = page_values(self._view.status(), self._metrics, self._dry_run)
        values["lines"] = None if self._lines is None else await self._lines.look()
        return await self._site.page(request, "failures.html", asked=asked, **{**values, **tried})


def failures_routes(
    site: Site,
    view: StatusView,
    metrics: Metrics,
    dry_run: DryRun,
    reader: DocumentReader | None = None,
) -> list[web.RouteDef]:
    """Return the routes of this page; without a reader it shows shapes, no lines."""
    from aiohttp import web

    pages = FailuresPages(site, view, metrics, dry_run, reader)
    return [
        web.get("/failures", pages.page),
        web.get("/failures/line", pages.again),
        web.get("/failures/pattern", pages.again),
        web.post("/failures/line", pages.try_lines),
        web.post("/failures/pattern", pages.try_pattern),
    ]


def page_values(status: Mapping[str, Any], metrics: Metrics, dry_run: DryRun) -> dict[str, Any]:
    """Return what the template shows where nothing was tried."""
    return {
        "services": services_of(metrics),
        "shapes": shapes_of(status),
        "known": _known(dry_run, status),
        "patterns": dry_run.patterns(),
        "kinds": KINDS,
        "tried": None,
        "results": (),
        "pattern_tried": None,
    }


def unmatched(metrics: Metrics) -> dict[str, tuple[int, int]]:
    """Return service -> (lines that fit no pattern, lines received)."""
    failures = {
        labels[0]: int(value)
        for labels, value in metrics.labelled(NOTED)
        if labels[1] == "grok_failure"
    }
    received = {labels[0]: int(value) for labels, value in metrics.labelled(RECEIVED)}
    return {service: (count, received.get(service, 0)) for service, count in failures.items()}


def _asked(form: Mapping[str, Any]) -> FailuresForm:
    kind = str(form.get("kind", ""))
    return FailuresForm(
        lines=str(form.get("lines", "")),
        service=str(form.get("service", "")).strip(),
        multiline="multiline" in form,
        kind=kind if kind in KINDS else KINDS[0],
        pattern=str(form.get("pattern", "")),
    )


def _known(dry_run: DryRun, status: Mapping[str, Any]) -> list[str]:
    """Services to choose from: the profile's, and others that have sent events."""
    heard = (service for service in status.get("services", {}) if service != "other")
    return list(dict.fromkeys([*dry_run.services(), *heard]))


def services_of(metrics: Metrics) -> list[dict[str, Any]]:
    """Return for each service how many of its lines fit no pattern, most first."""
    counted = unmatched(metrics)
    rows = [
        {"service": service, "failures": failures, "received": received,
         "share": failures / received if received else 0.0}
        for service, (failures, received) in counted.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -int(row["failures"]))


def shapes_of(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every shape with its service, the most frequent first."""
    rows = [
        {"service": service, "of": row["unmatched"]["sampled"], **shape}
        for service, row in status.get("services", {}).items()
        for shape in (row.get("unmatched") or {}).get("shapes", ())
    ]
    return sorted(rows, key=lambda row: (row["service"], -row["sampled"]))


def result(stops: Stops) -> dict[str, Any]:
    """Return one line's stops as the template shows them."""
    explained = stops.explained
    document = explained.document
    return {
        "message": stops.message,
        "payload": pretty(stops.payload),
        "patterns": stops.patterns,
        "outcome": explained.outcome.replace("_", " "),
        "level": {"indexed": "good", "dropped": "warn"}.get(explained.outcome, "bad"),
        "why": ": ".join(part for part in (explained.reason, explained.detail) if part),
        "data_stream": explained.data_stream,
        "rule": explained.rule,
        "notes": explained.notes,
        "key": explained.key,
        "document": None if document is None else pretty(document),
    }


def pretty(value: object) -> str:
    """Return JSON (text, or a value) indented, its text readable; else the text as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:
        return "nested too deeply to be shown"
