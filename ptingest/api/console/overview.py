"""The first page: health, throughput, connections, sinks and limits.

Everything comes from one `/status`, and from the hour of samples kept here. The page is loaded
again every few seconds, so it does no more than a few hundred lookups.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ptingest.api.console.charts import Chart, Series, draw
from ptingest.api.console.clauses import clause
from ptingest.api.console.explore_address import ExploreAddress
from ptingest.api.console.history import KEPT_SECONDS, History, Point
from ptingest.api.console.site import Site
from ptingest.api.view import StatusView
from ptingest.doctor import units
from ptingest.doctor.filebeat import advice
from ptingest.doctor.kafka import KafkaRow, kafka_rows
from ptingest.doctor.limits import limits_of
from ptingest.doctor.server_facts import own_facts
from ptingest.doctor.traffic import headline, health
from ptingest.model.advice import naming_config
from ptingest.pipeline.pipeline import OTHER
from ptingest.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from aiohttp import web

FATES = (
    ("stored", "Stored"),
    ("already_stored", "Already stored"),
    ("failure_stored", "Failure-stored"),
    ("dead_lettered", "Dead-lettered"),
    ("dropped", "Dropped"),
    ("given_back", "Given back"),
    ("in_flight", "In flight"),
)
"""The books' columns between what was received and the difference."""

MOST_FINDINGS = 20
PAGES = {"dead": "/dead-letters", "parsing": "/failures"}
"""First word of a finding's subject -> the page that shows more."""
SENDERS = {"host.name": "host", "agent.name": "agent_name"}
"""Fields of an event that say which Beat sent it -> where a connection's row has them."""
LINE_COUNTS = ("received", *(name for name, _ in FATES), "residue")


def overview_routes(
    site: Site, view: StatusView, metrics: Metrics, history: History, *, explores: bool
) -> list[web.RouteDef]:
    """Return the routes of the overview; ``explores``: documents can be looked at in Explore."""
    from aiohttp import web

    async def overview(request: web.Request) -> web.StreamResponse:
        await view.refresh()
        status, now = view.status(), time.time()
        history.note_troubles(troubles_of(status), now)
        return await site.page(
            request,
            "overview.html",
            explores=explores,
            **overview_values(status, metrics, history, now),
        )

    return [web.get("/", overview)]


def troubles_of(status: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what each sink says of itself."""
    return {sink: lane.get("trouble") for sink, lane in status.get("lanes", {}).items()}


def overview_values(
    status: Mapping[str, Any], metrics: Metrics, history: History, now: float
) -> dict[str, Any]:
    """Return what the template shows."""
    rates = history.rates(now)
    books = status.get("books", {})
    beats, config = status.get("beats", {}), status.get("config") or {}
    found = [
        one._replace(cure=naming_config(one.cure, config.get("config")))
        for one in health(own_facts(status, metrics, now))
    ]
    return {
        "headline": headline(found),
        "findings": found[:MOST_FINDINGS],
        "more_findings": max(0, len(found) - MOST_FINDINGS),
        "doctor": naming_config("`ptingest doctor`", config.get("config")).strip("`"),
        "pages": PAGES,
        "summary": _summary(status, rates),
        "has_events": any(books.values()),
        "fates": FATES,
        "books": {sink: _rows(rows, rates, status) for sink, rows in books.items()},
        "charts": charts(history.points(now), now),
        "beats": beats,
        "connections": [_connection(row) for row in beats.get("listed", ())],
        "closed": [_connection(row) for row in beats.get("closed", ())],
        "has_certificates": any(row.get("tls_subject") for row in beats.get("listed", ())),
        "sinks": [
            _sink(name, lane, history, now) for name, lane in status.get("lanes", {}).items()
        ],
        "kafka": [_kafka(row, history, now) for row in kafka_rows(status)],
        "limits": limits_of(status),
        "workers": status.get("workers", ()),
        "cpu_share": history.cpu_share(cpu_seconds_of(status), now),
        "memory_bytes": (status.get("process") or {}).get("memory_bytes"),
        "process": {name: status.get(name) for name in ("version", "pid", "uptime_seconds")},
        "listening": status.get("listening"),
        "config": {name: config.get(name) for name in ("config", "last_reload")},
        "certificates": (status.get("certificates") or {}).get("files", ()),
        "lag": status.get("loop_lag_seconds"),
    }


def cpu_seconds_of(status: Mapping[str, Any]) -> float:
    """Return the processor time that all processes of the server have used."""
    return float((status.get("process") or {}).get("cpu_seconds") or 0.0)


def _connection(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its advice, and where the events of its Beat are."""
    sent = [(name, row.get(key)) for name, key in SENDERS.items()]
    query = " and ".join(clause(name, str(value)) for name, value in sent if value)
    address = ExploreAddress(query, since="24h").address() if query else None
    return {**row, "advice": advice(row), "address": address}


def _events_of(service: str) -> str:
    return ExploreAddress(clause("service", service), since="24h").address()


def _summary(status: Mapping[str, Any], rates: Mapping[str, float]) -> str:
    """Connections and throughput in a few words."""
    beats = status.get("beats", {})
    count = beats.get("connections", 0)
    who = f"{units.plural(count, 'Beat')} connected" if count else "No Beat is connected"
    speed = units.rate(sum(rates.values()))
    return f"{who}; {speed} events a second over the last minute"


def _rows(
    rows: Mapping[str, Mapping[str, int]], rates: Mapping[str, float], status: Mapping[str, Any]
) -> dict[str, Any]:
    services = status.get("services", {})
    filled = [
        {
            "service": service,
            # Services that the profile does not name are counted together.
            "address": None if service == OTHER else _events_of(service),
            "rate": rates.get(service),
            "heard": services.get(service, {}).get("heard_seconds_ago"),
            **{name: row.get(name, 0) for name in LINE_COUNTS},
        }
        for service, row in sorted(rows.items())
    ]
    total = {name: sum(row[name] for row in filled) for name in LINE_COUNTS}
    return {"rows": filled, "total": total, "rate": sum(rates.values()) if rates else None}


def _sink(name: str, lane: Mapping[str, Any], history: History, now: float) -> dict[str, Any]:
    p50, p99 = history.write_seconds(name, now)
    last = history.troubles.get(name)
    is_over = last is not None and not lane.get("trouble")
    return {
        "name": name,
        "p50": p50,
        "p99": p99,
        "last_trouble": last.text if last and is_over else None,
        "last_trouble_at": _clock(last.at) if last and is_over else None,
        **lane,
    }


def _kafka(row: KafkaRow, history: History, now: float) -> dict[str, Any]:
    taken, safe = history.kafka_rates(row.name, row.taken, row.safe, now)
    return {**row._asdict(), "taken_rate": taken, "safe_rate": safe}


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(points: list[Point], now: float) -> float:
    """How much time the charts show, in seconds: an hour, or less after a start."""
    age = now - points[0].at if points else 0.0
    return next((some for some in (600.0, 1800.0) if age <= some), KEPT_SECONDS)


def charts(points: list[Point], now: float) -> list[Chart]:
    """Return the charts of the hour: events received, time to the ack, events in flight."""
    shown = span(points, now)
    return [
        draw(
            "rate", "Events a second", "Received, and those of them dead-lettered.",
            [
                Series("received", [(point.at, point.rate) for point in points]),
                Series("dead-lettered", [(point.at, point.letters) for point in points]),
            ],
            now=now, seconds=shown, show=units.rate,
        ),
        draw(
            "acks", "Time to the ack", "From the end of a window until all its events are safe.",
            [
                Series("half within (p50)", [(point.at, point.p50) for point in points]),
                Series("99 of 100 within (p99)", [(point.at, point.p99) for point in points]),
            ],
            now=now, seconds=shown, show=units.duration,
        ),
        draw(
            "waiting", "Events in flight", "Received and not yet safe, with the slowest sink.",
            [Series("in flight", [(point.at, float(point.waiting)) for point in points])],
            now=now, seconds=shown, show=units.count,
        ),
    ]  # fmt: skip
