"""What `top` shows, from one answer of a server or from two. Pure.

    facts before, facts now --> overview(...) --> one JSON-ready object, for `--json` and the screen

Rates are the growth between the two answers. Whether all is well is decided by
`ptingest.doctor.traffic`, which the console and `doctor` show as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ptingest.doctor.kafka import KafkaRow, kafka_rows
from ptingest.doctor.limits import limits_of
from ptingest.doctor.server_facts import ServerFacts
from ptingest.doctor.traffic import headline, health
from ptingest.telemetry.histogram import growth, quantile

RECEIVED = "ptingest_flow_received_events_total"
SETTLED = "ptingest_lane_settled_events_total"
ACK_SECONDS = "ptingest_beats_ack_seconds"
WRITE_SECONDS = "ptingest_lane_write_seconds"
STORED = ("stored", "already_stored")
FATES = (*STORED, "failure_stored", "dead_lettered", "dropped", "given_back")

Row = dict[str, Any]


def overview(before: ServerFacts | None, now: ServerFacts) -> Row:
    """Return everything that is shown; without an answer before, rates are None."""
    if now.failure:
        return {
            "where": now.where,
            "reachable": False,
            "well": {
                "is_well": False,
                "sentence": now.failure if now.cure else f"No answer: {now.failure}",
                "cure": now.cure or "is the server running? It is asked again",
            },
        }
    if before is not None and not _is_same_process(before, now):
        before = None
    seconds = 0.0 if before is None else now.asked_at - before.asked_at
    status = now.status
    return {
        "where": now.where,
        "reachable": True,
        "version": status.get("version"),
        "uptime_seconds": status.get("uptime_seconds"),
        "well": _well(now),
        "rates": _rates(before, now, seconds),
        "acks": _acks(before, now, seconds),
        "books": _books(before, now, seconds),
        "connections": _connections(before, now, seconds),
        "open_connections": (status.get("beats") or {}).get("connections", 0),
        "kafka": _kafka(before, now, seconds),
        "sinks": _sinks(before, now),
        "limits": _limits(status),
        "process": _process(before, now, seconds),
        "workers": _workers(now),
    }


def _is_same_process(before: ServerFacts, now: ServerFacts) -> bool:
    """Whether counters may be compared: after a restart they begin at 0."""
    if before.failure or before.status.get("pid") != now.status.get("pid"):
        return False
    older, newer = before.status.get("uptime_seconds", 0), now.status.get("uptime_seconds", 0)
    return float(older) <= float(newer)


# --- is all well? -------------------------------------------------------------------------


def _well(now: ServerFacts) -> Row:
    found = health(now)
    title = headline(found)
    if not found:
        return {"is_well": True, "sentence": f"{title}.", "cure": ""}
    more = f" (and {len(found) - 1} more: `ptingest doctor`)" if len(found) > 1 else ""
    worth = "" if not found[0].is_ok else "; worth a look"
    sentence = f"{title}{worth}: {found[0].sentence}{more}"
    return {"is_well": found[0].is_ok, "sentence": sentence, "cure": found[0].cure}


# --- rates --------------------------------------------------------------------------------


def _growth(
    before: ServerFacts | None, now: ServerFacts, name: str, seconds: float
) -> dict[tuple[str, ...], float]:
    """Growth a second of each child of a counter; of those that did not exist, from 0."""
    if before is None or seconds <= 0:
        return {}
    old = before.metrics.get(name, {})
    return {
        labels: max(0.0, (value - old.get(labels, 0.0)) / seconds)
        for labels, value in now.metrics.get(name, {}).items()
    }


def _rates(before: ServerFacts | None, now: ServerFacts, seconds: float) -> Row | None:
    if before is None:
        return None
    sinks = max(1, len(now.status.get("lanes") or {}))
    settled = _growth(before, now, SETTLED, seconds)
    stored = sum(rate for (fate, _, _), rate in settled.items() if fate in STORED) / sinks
    return {
        "received_per_second": round(sum(_growth(before, now, RECEIVED, seconds).values()), 1),
        "stored_per_second": round(stored, 1),
    }


def _acks(before: ServerFacts | None, now: ServerFacts, seconds: float) -> Row:
    """Quantiles of the acks between the answers; since the start if none was sent."""
    buckets = sorted(now.buckets.get(ACK_SECONDS, {}).items())
    old = {} if before is None else before.buckets.get(ACK_SECONDS, {})
    recent = growth(list(old.items()), buckets)
    is_recent = before is not None and bool(recent) and recent[-1][1] > 0
    shown = recent if is_recent else buckets
    grown = sum(_growth(before, now, "ptingest_beats_acks_total", seconds).values())
    return {
        "per_second": None if before is None else round(grown, 1),
        "p50_seconds": _rounded(quantile(shown, 0.5), 6),
        "p99_seconds": _rounded(quantile(shown, 0.99), 6),
        "since": "last look" if is_recent else "start",
        "oldest_unacked_seconds": round(now.value("ptingest_beats_oldest_window_seconds"), 3),
        "open_windows": int(now.value("ptingest_beats_open_windows")),
    }


# --- books, connections, sinks --------------------------------------------------------------


def _books(before: ServerFacts | None, now: ServerFacts, seconds: float) -> list[Row]:
    """One row a sink and service, busiest first."""
    rates = _growth(before, now, RECEIVED, seconds)
    heard = now.status.get("services") or {}
    rows = [
        {
            "sink": sink,
            "service": service,
            "received_per_second": _rounded(rates.get((service,)) if before else None),
            "heard_seconds_ago": (heard.get(service) or {}).get("heard_seconds_ago"),
            "received": row.get("received", 0),
            **{fate: row.get(fate, 0) for fate in FATES},
            "in_flight": row.get("in_flight", 0),
            "difference": row.get("residue", 0),
        }
        for sink, services in (now.status.get("books") or {}).items()
        for service, row in services.items()
    ]
    return sorted(
        rows,
        key=lambda row: (
            row["difference"] == 0,
            -(row["received_per_second"] or 0.0),
            -row["received"],
        ),
    )


def _rounded(number: float | None, digits: int = 1) -> float | None:
    return None if number is None else round(number, digits)


def _connections(before: ServerFacts | None, now: ServerFacts, seconds: float) -> list[Row]:
    """Busiest first; without an answer before, by events since they connected."""
    old = {row["peer"]: row for row in _listed(before)} if before is not None else {}

    def rate(row: Row) -> float | None:
        if before is None or seconds <= 0:
            return None
        begun = old.get(row["peer"], {"events": 0})["events"]
        return round(max(0.0, float(row["events"] - begun) / seconds), 1)

    rows = [{**row, "received_per_second": rate(row)} for row in _listed(now)]
    return sorted(rows, key=lambda row: (-(row["received_per_second"] or 0.0), -row["events"]))


def _listed(facts: ServerFacts) -> list[Row]:
    rows: list[Row] = (facts.status.get("beats") or {}).get("listed") or []
    return rows


def _sinks(before: ServerFacts | None, now: ServerFacts) -> list[Row]:
    return [
        {
            "sink": sink,
            "state": _state(lane),
            **{
                name: lane.get(name)
                for name in (
                    *("in_flight", "concurrency", "waiting_documents", "outstanding_documents"),
                    *("backoff_seconds", "oldest_seconds", "trouble", "troubled_streams"),
                )
            },
            "write_seconds": _mean_write(before, now, sink),
        }
        for sink, lane in (now.status.get("lanes") or {}).items()
    ]


def _state(lane: Mapping[str, Any]) -> str:
    if lane.get("trouble"):
        return "in trouble"
    if lane.get("troubled_streams"):
        return "streams in trouble"
    if lane.get("backoff_seconds"):
        return "backing off"
    return "writing" if lane.get("in_flight") else "idle"


def _mean_write(before: ServerFacts | None, now: ServerFacts, sink: str) -> float | None:
    """Mean seconds of a write between the answers; since the start if there was none."""

    def of(facts: ServerFacts | None, what: str) -> float:
        if facts is None:
            return 0.0
        return facts.metrics.get(f"{WRITE_SECONDS}_{what}", {}).get((sink,), 0.0)

    if of(before, "count") == of(now, "count"):
        before = None
    count = of(now, "count") - of(before, "count")
    return round((of(now, "sum") - of(before, "sum")) / count, 6) if count else None


# --- Kafka ---------------------------------------------------------------------------------


def _kafka(before: ServerFacts | None, now: ServerFacts, seconds: float) -> list[Row]:
    """One row for the buffer's topic where it is written, one a source."""
    old = {} if before is None else {row.name: row for row in kafka_rows(before.status)}

    def rate(row: KafkaRow, of: Callable[[KafkaRow], int]) -> float | None:
        if row.name not in old or seconds <= 0:
            return None
        return round(max(0.0, (of(row) - of(old[row.name])) / seconds), 1)

    return [
        {
            **row._asdict(),
            "taken_per_second": rate(row, lambda one: one.taken),
            "safe_per_second": rate(row, lambda one: one.safe),
        }
        for row in kafka_rows(now.status)
    ]


# --- limits and the process -----------------------------------------------------------------


def _limits(status: Mapping[str, Any]) -> list[Row]:
    """Every limit that makes Beats wait, the nearest to full first."""
    rows = [
        {
            "name": limit.key,
            "used": limit.used,
            "limit": limit.limit,
            "share": round(limit.used / limit.limit, 4),
            "setting": limit.setting,
        }
        for limit in limits_of(status)
        if not limit.is_trimmed
    ]
    return sorted(rows, key=lambda row: -row["share"])


def _process(before: ServerFacts | None, now: ServerFacts, seconds: float) -> Row:
    row = now.status.get("process") or {}
    old = {} if before is None else before.status.get("process") or {}
    return {
        "cpu_share": _cpu_share(old, row, seconds),
        "memory_bytes": row.get("memory_bytes"),
        "loop_lag_seconds": now.status.get("loop_lag_seconds"),
    }


def _cpu_share(old: Mapping[str, Any], row: Mapping[str, Any], seconds: float) -> float | None:
    """Of one core."""
    if seconds <= 0 or "cpu_seconds" not in old or "cpu_seconds" not in row:
        return None
    return round(max(0.0, float(row["cpu_seconds"] - old["cpu_seconds"]) / seconds), 3)


def _workers(now: ServerFacts) -> list[Row]:
    """One row a process, where there are several."""
    rows = now.status.get("workers")
    return [dict(row) for row in rows] if isinstance(rows, list) else []
