"""Findings about a running server's health, from its status and its metrics. Pure.

The console, `top` and `doctor` show the same findings in the same words, and the reasons of
`/readyz` are the first of them: what keeps new events from being taken is a problem. In the
order of travel: is the server ready, does anybody connect, do events come, are they of our
group, do they parse, are they stored, is their time plausible, which limits are reached, and
what do the Beats' connections show of their settings.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ptingest.doctor.filebeat import findings_of_filebeat
from ptingest.doctor.kafka import buffer_residue, findings_of_kafka
from ptingest.doctor.limits import findings_of_limits
from ptingest.doctor.server_facts import METRICS, STATUS, ServerFacts
from ptingest.doctor.units import duration, plural, share
from ptingest.model.finding import Finding, Mark

RECEIVED = "ptingest_flow_received_events_total"
DROPPED = "ptingest_flow_dropped_events_total"
NOTED = "ptingest_pipeline_noted_events_total"
LETTERS = "ptingest_flow_dead_lettered_events_total"
SETTLED = "ptingest_lane_settled_events_total"

MANY = 0.01
"""A share of failures from which it is worth a warning."""
AHEAD_SECONDS = 60.0
SHAPES_SHOWN = 3
SOON_DAYS = 14
RECENT_SECONDS = 3600.0
"""What was put into a failure store longer ago is a note."""
FRESH_SECONDS = 60.0
"""A server that runs for less has not waited for events."""
OLD_WINDOW_SECONDS = 30.0

NOT_READY = (
    ("draining", "Beats connect elsewhere or wait; nothing acked is lost"),
    ("not listening", "it has just started: ask again; if that stays, its log says why"),
    ("no worker", "each ended worker is started again; the log says why they end"),
    (
        "beats: all connections",
        "`ptingest top` shows who holds them; raise beats.limits.connections if they are wanted",
    ),
    (
        "beats:",
        "Beats wait and keep their logs, nothing is lost; what fills it is under limits, and in "
        "the log",
    ),
    (
        "buffer:",
        "windows wait and Beats keep their logs, nothing is lost; it goes on by itself when Kafka "
        "takes records again\n`ptingest check --connect` asks the brokers",
    ),
    (
        "source ",
        "Kafka keeps what is not committed, nothing is lost while the topic's retention lasts; it "
        "goes on by itself\nare the brokers up, does the topic exist, may this user read it and "
        "the group (kafka-acls.sh --consumer)?",
    ),
    (
        "dead letters",
        "their windows are not acked: `ptingest dead-letters list` shows the letters\n"
        "requeue or purge some, or make room on the disk",
    ),
    (
        "",
        "`ptingest check --connect` asks the sink and names the cause; meanwhile Beats keep "
        "their logs, or Kafka its records: nothing is lost",
    ),
)
"""How reasons of `/readyz` begin, with the cure; the last one fits every other (a sink)."""
OF_A_WORKER = re.compile(r"worker \d+: ")
"""Before a reason that only some of several workers have."""


def health(facts: ServerFacts) -> list[Finding]:
    """Return problems, then warnings: the findings that the console, `top` and `doctor` show."""
    found = [one for one in findings_of_traffic(facts) if one.mark in ("problem", "warning")]
    return sorted(found, key=lambda one: one.mark != "problem")


def headline(found: Sequence[Finding]) -> str:
    """Return the findings in a few words; the console and `top` begin with them."""
    if not all(one.is_ok for one in found):
        return "Not all is well"
    return "Events are taken and kept safe" if found else "All is well"


def findings_of_traffic(facts: ServerFacts) -> Iterator[Finding]:
    """Yield every finding about a server, also what is well."""
    yield from _ready(facts)
    yield from _books(facts)
    yield from _streams(facts)
    yield from _workers(facts)
    yield from _arrivals(facts)
    yield from findings_of_kafka(facts)
    yield from _drops(facts)
    yield from _dead_letters(facts)
    yield from _failure_stores(facts)
    yield from _parsing(facts)
    yield from _clock(facts)
    yield from findings_of_limits(facts)
    yield from findings_of_filebeat(facts)
    yield from _certificates(facts)
    yield from _config(facts)


def active_services(facts: ServerFacts) -> frozenset[str]:
    """Services of which documents should be somewhere by now."""
    fates = facts.metrics.get(SETTLED, {})
    kept = {"stored", "already_stored"}
    return frozenset(s for (fate, s, _), count in fates.items() if fate in kept and count) - {
        "other"
    }


def _ready(facts: ServerFacts) -> Iterator[Finding]:
    """The reasons of `/readyz`, word for word."""
    reasons = facts.status.get("not_ready_because") or []
    looked_at = f"{facts.where}/readyz"
    if not reasons:
        seen = "ready for Beats" if _has_port(facts) else "ready to read from Kafka"
        yield Finding("ok", "ready", seen, looked_at=looked_at)
    for reason in map(str, reasons):
        own = OF_A_WORKER.sub("", reason, count=1)
        cure = next(cure for opening, cure in NOT_READY if own.startswith(opening))
        yield Finding("problem", "not ready", reason, cure, looked_at=looked_at)


def _has_port(facts: ServerFacts) -> bool:
    """Whether Beats may connect; an indexer reads from Kafka only."""
    return facts.status.get("role") != "index"


def _streams(facts: ServerFacts) -> Iterator[Finding]:
    """Data streams whose documents wait or are dead-lettered while the others go on."""
    for sink, lane in (facts.status.get("lanes") or {}).items():
        for row in lane.get("troubled_streams") or ():
            name, reason = str(row.get("data_stream")), f"{row.get('reason')}: {row.get('detail')}"
            fate, cure = "wait", "mend the cause: they are tried again by themselves"
            if row.get("is_open"):
                fate = "go to the dead letters"
                command = f"ptingest dead-letters requeue --stream {shlex.quote(name)}"
                cure = f"mend the cause, then `{command}`"
            seen = f"{sink}: documents of data stream {name} {fate}: {reason}"
            yield Finding("problem", "data stream", seen, cure, looked_at=STATUS)


def _workers(facts: ServerFacts) -> Iterator[Finding]:
    """Of several workers: is each running, and was one restarted?"""
    rows = facts.status.get("workers") or []
    if not rows:
        return
    away = [row for row in rows if row["state"] != "running"]
    fallen = [row for row in rows if row["restarts"]]
    for row in away:
        end = f"; the last one {row['last_end']}" if row["last_end"] else ""
        seen = f"worker {row['worker']} of {len(rows)} is {row['state']}{end}"
        cure = "the others serve meanwhile; the log says why it ended"
        yield Finding("warning", "workers", seen, cure, looked_at=STATUS)
    for row in fallen:
        seen = f"worker {row['worker']} was started again {plural(row['restarts'], 'time')}"
        seen = f"{seen}; the last one {row['last_end']}"
        cure = "the log says why: out of memory (see the kernel's log), a bug, or a loop that hung"
        yield Finding("warning", "workers", seen, cure, looked_at=STATUS)
    if not away and not fallen:
        spread = ", ".join(str(row["connections"]) for row in rows)
        seen = f"{len(rows)} run, connections {spread}"
        yield Finding("ok", "workers", seen, "", looked_at=STATUS)


def _arrivals(facts: ServerFacts) -> Iterator[Finding]:
    accepted = facts.value("ptingest_beats_accepted_connections_total")
    received = facts.value(RECEIVED)
    buffered = facts.value("ptingest_buffer_received_events_total")
    if buffered and not received:
        seen = f"{plural(buffered, 'event')} for the buffer"
        yield Finding("ok", "events arrive", seen, looked_at=METRICS)
    elif received:
        shown = ", ".join(f"{name} {count}" for name, count in _by_service(facts).items())
        yield Finding("ok", "events arrive", f"{plural(received, 'event')}: {shown}",
                      looked_at=METRICS)  # fmt: skip
    elif _has_port(facts):
        yield _without_events(facts, accepted)
    else:
        yield Finding("note", "events arrive", "none was read from Kafka yet", looked_at=METRICS)


def _without_events(facts: ServerFacts, accepted: float) -> Finding:
    """No event yet: no connection, or connections without events."""
    them = "it" if accepted == 1 else "them"
    seen = f"{plural(accepted, 'connection')} came, no event with {them}"
    cure = (
        "does the Beat speak Lumberjack (output.logstash, not output.elasticsearch)?\n"
        "is TLS on at both sides, or at neither? Filebeat's own log and the server's say it"
    )
    if not accepted:
        seen = f"no Beat has connected to {facts.status.get('listening')} yet"
        cure = (
            "output.logstash.hosts in filebeat.yml must name this host and port; "
            "`filebeat test output` there tries it\n"
            "in Docker both must be on one network (elk-net), or the port published\n"
            "a firewall may drop packets without an answer"
        )
    mark: Mark = "warning"
    if facts.status.get("uptime_seconds", FRESH_SECONDS) < FRESH_SECONDS:
        mark, seen = "note", f"{seen.removesuffix(' yet')} yet"
        if accepted:
            cure = "normal for a probe of the port, and for a Beat that has nothing to send yet"
    return Finding(mark, "events arrive", seen, cure, looked_at=METRICS)


def _by_service(facts: ServerFacts) -> Mapping[str, int]:
    return facts.total(RECEIVED, by=0)


def _drops(facts: ServerFacts) -> Iterator[Finding]:
    received, dropped = facts.value(RECEIVED), facts.total(DROPPED, by=0)
    if not received:
        return
    low = facts.total(NOTED, by=1)["fields_not_under_root"]
    if low:
        seen = f"{share(low, received)} events carry our group under `fields.`; they are dropped"
        cure = "set fields_under_root: true in this input of filebeat.yml and restart Filebeat"
        yield Finding("problem", "fields under root", seen, cure, looked_at=METRICS)
    reasons = {
        "other_group": "`group` is not one of the profile's: Filebeat must add group: pt",
        "no_service": "`service` is missing: Filebeat must add service: <name>",
        "no_output": "no output of the logstash.conf was for it: look at the conditions around "
        "its outputs (ptingest why LINE)",
        "condition_error": "a condition compares values that have no order, such as text with a "
        "number: guard it, as in `[status] and [status] >= 500`",
    }
    total = sum(dropped.values())
    if not total:
        yield Finding("ok", "dropped by rule", "none", looked_at=METRICS)
        return
    shown = "; ".join(f"{count} {reason}" for reason, count in dropped.most_common())
    cure = "\n".join(reasons[reason] for reason, _ in dropped.most_common() if reason in reasons)
    yield Finding(
        "problem" if total == received else "note",
        "dropped by rule",
        f"{share(total, received)} events: {shown}",
        cure,
        looked_at=METRICS,
    )


def _dead_letters(facts: ServerFacts) -> Iterator[Finding]:
    row = facts.status.get("dead_letters") or {}
    waiting = int(row.get("waiting") or 0)
    looked_at = f"{STATUS}, {METRICS}"
    if not waiting:
        yield Finding("ok", "dead letters", "none is waiting", looked_at=looked_at)
        return
    reasons = facts.total(LETTERS, by=0)
    shown = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    cure = (
        "they are safe here and nowhere else: `ptingest dead-letters list` shows each with its "
        "reason; requeue or purge them"
    )
    if "illegal_data_stream" in reasons:
        cure += '\na service name must be lower case, without spaces and any of \\ / * ? " < > | ,'
    if "too_many_services" in reasons:
        cure += "\nmore services than known_services and max_services of the profile allow"
    if "refused" in reasons or "mapping" in reasons:
        cure += (
            "\nrefused by Elasticsearch: `ptingest setup --only templates` (its mappings refuse "
            "no kind of value), POST /<stream>/_rollover, then requeue"
        )
    if not reasons.keys().isdisjoint(("event_invalid", "tags_invalid")):
        cure += (
            "\n`event` or `tags` of another kind: rename it in filebeat.yml, as each letter says"
        )
    seen = f"{waiting:,} {'is' if waiting == 1 else 'are'} waiting"
    if shown:
        seen += f"; written since the start: {shown}"
    yield Finding("warning", "dead letters", seen, cure, looked_at=looked_at)


def _failure_stores(facts: ServerFacts) -> Iterator[Finding]:
    """Events that Elasticsearch put into a failure store."""
    received, counts = _by_service(facts), Counter[str]()
    for (fate, service, _), count in facts.metrics.get(SETTLED, {}).items():
        if fate == "failure_stored" and count:
            counts[service] += int(count)
    rows: Mapping[str, Mapping[str, Any]] = facts.status.get("failure_store") or {}
    for service, count in counts.items():
        ours = {name: row for name, row in rows.items() if row.get("service") == service}
        ages = [float(row.get("last_seconds_ago", 0.0)) for row in ours.values()]
        seen = (
            f"{share(count, received.get(service, 0))} events of {service} are in a failure "
            "store of Elasticsearch, not in their data stream"
        )
        reasons = dict.fromkeys(str(row.get("reason")) for row in ours.values())
        said = "; ".join(reason for reason in reasons if reason)
        if said:
            seen += f": {said}"
        stream = next(iter(ours), "<stream>")
        cure = (
            f"GET {stream}::failures/_search and `ptingest failures list` show each with its "
            "error; compare mappings (`ptingest setup`) and what Filebeat sends, look for a write "
            "block, then `ptingest failures requeue --all`"
        )
        mark: Mark = "warning" if min(ages, default=0.0) < RECENT_SECONDS else "note"
        yield Finding(mark, "failure store", seen, cure, looked_at=f"{METRICS}, {STATUS}")
    if received and not any(counts.values()):
        yield Finding("ok", "failure store", "no event is in one", looked_at=METRICS)


def _parsing(facts: ServerFacts) -> Iterator[Finding]:
    failures = _noted(facts, "grok_failure")
    dates = _noted(facts, "date_failure")
    received = _by_service(facts)
    if received and not failures and not dates:
        yield Finding("ok", "parsing", "every message fits a pattern", looked_at=METRICS)
    for service, count in failures.items():
        row = (facts.status.get("services") or {}).get(service, {})
        shapes = (row.get("unmatched") or {}).get("shapes", [])
        seen = f"{share(count, received.get(service, 0))} events fit no pattern"
        if shapes:
            seen += "; commonest shapes (letters are a, digits 0): "
            seen += "; ".join(map(_shape_text, shapes[:SHAPES_SHOWN]))
        cure = _cure_of_parsing(service, shapes, is_all=count == received.get(service))
        many = count > MANY * received.get(service, 0)
        looked_at = f"{METRICS}, {STATUS}"
        yield Finding(
            "warning" if many else "note", f"parsing {service}", seen, cure, looked_at=looked_at
        )
    for service, count in dates.items():
        seen = f"{share(count, received.get(service, 0))} events: the time cannot be read"
        cure = (
            "times with a space and dot-milliseconds or none fail as they do in Logstash; "
            "timestamp_precision: full in the profile reads them"
        )
        yield Finding("note", f"times of {service}", seen, cure, looked_at=METRICS)


def _cure_of_parsing(service: str, shapes: Sequence[Mapping[str, Any]], *, is_all: bool) -> str:
    off = dict.fromkeys(str(one["nearest_pattern"]) for one in shapes if one.get("is_off"))
    if off:
        lines = ", ".join(f"`- {name}`" for name in off)
        return (
            f"a pattern for this is packaged, switched off: add {lines} to the profile's patterns "
            "(`ptingest profile` prints the packaged one; `profile:` in the config names yours)"
        )
    cure = (
        "a line that belongs to the one before it: multiline in filebeat.yml\n"
        f"another format: a pattern with samples in the profile; `ptingest try --service "
        f"{service}` shows what becomes of lines. They are stored all the same"
    )
    if is_all:
        return f"no line fits: {service} writes a format of its own, or multiline is off\n{cure}"
    return cure


def _noted(facts: ServerFacts, what: str) -> dict[str, int]:
    rows = facts.metrics.get(NOTED, {})
    return {service: int(count) for (service, noted), count in rows.items() if noted == what}


def _shape_text(row: Mapping[str, Any]) -> str:
    nearest = row.get("nearest_pattern")
    text = f"{row.get('sampled')} x `{row.get('shape')}`"
    if nearest is None:
        return text
    if row.get("is_off"):
        return f"{text} (fits {nearest}, which is switched off)"
    return f"{text} (nearest: {nearest}, lacks {row.get('missing') or 'nothing'})"


def _clock(facts: ServerFacts) -> Iterator[Finding]:
    rows = facts.status.get("services") or {}
    ahead = {
        name: -float(row["last_lag_seconds"])
        for name, row in rows.items()
        if (row.get("last_lag_seconds") or 0) < -AHEAD_SECONDS
    }
    looked_at = f"{STATUS} (time of the last events against this machine's clock)"
    for name, seconds in ahead.items():
        hours = seconds / 3600
        zone = abs(hours - round(hours)) < 0.02 and round(hours) != 0
        cure = "compare the clocks of both machines (chronyc tracking)"
        if zone:
            cure = (
                "whole hours: its lines have local times without a zone; set `timezone` in pt.yaml"
            )
        seen = f"events of {name} are {duration(seconds)} in the future"
        yield Finding("warning", "clock", seen, cure, looked_at=looked_at)
    if rows and not ahead:
        lags = [row["last_lag_seconds"] for row in rows.values() if row.get("last_lag_seconds")]
        seen = f"no event from the future; the latest are {duration(min(lags))} old" if lags else ""
        yield Finding("ok", "clock", seen or "no event from the future", looked_at=looked_at)


def _certificates(facts: ServerFacts) -> Iterator[Finding]:
    expiries = facts.metrics.get("ptingest_worker_certificate_expiry_seconds", {})
    cure = "replace the file: it is read again by itself, nothing has to be restarted"
    for (setting,), expires in expiries.items():
        days = (expires - facts.asked_at) / 86_400
        mark: Mark = "ok"
        seen = f"{setting} expires in {plural(round(days), 'day')}"
        if days < 0:
            mark, seen = "problem", f"{setting} expired {plural(round(-days), 'day')} ago"
        elif days < SOON_DAYS:
            mark = "warning"
        yield Finding(mark, "certificate", seen, "" if mark == "ok" else cure, looked_at=METRICS)
    refused = (facts.status.get("certificates") or {}).get("trouble")
    if refused:
        cure = "the certificates in force stay until the new ones can be used"
        yield Finding("warning", "certificate", str(refused), cure, looked_at=STATUS)


def _config(facts: ServerFacts) -> Iterator[Finding]:
    """What the last reload left undone."""
    config = facts.status.get("config") or {}
    if config.get("last_error"):
        seen = f"the last reload was refused: {config['last_error']}"
        cure = "the config in force stays; correct the file and send SIGHUP again"
        yield Finding("warning", "config", seen, cure, looked_at=STATUS)
    if config.get("waiting_for_restart"):
        names = ", ".join(config["waiting_for_restart"])
        seen = f"changed, but read at the start only: {names}"
        yield Finding("warning", "config", seen, "restart the server", looked_at=STATUS)


def _books(facts: ServerFacts) -> Iterator[Finding]:
    oldest = facts.value("ptingest_beats_oldest_window_seconds")
    off = [
        f"{service} by {row['residue']} in {sink}"
        for sink, rows in (facts.status.get("books") or {}).items()
        for service, row in rows.items()
        if row.get("residue")
    ]
    if residue := buffer_residue(facts.status.get("buffer") or {}):
        off.append(f"the buffer by {residue}")
    if off:
        seen = f"they do not balance: {', '.join(off)} (events)"
        cure = "this is a bug of ptingest: please report it with the output of /status"
        yield Finding("problem", "books", seen, cure, looked_at=STATUS)
    else:
        fates = ", ".join(f"{count} {fate}" for fate, count in facts.total(SETTLED, by=0).items())
        seen = f"they balance; {fates or 'nothing is settled yet'}"
        yield Finding("ok", "books", seen, looked_at=STATUS)
    if oldest > OLD_WINDOW_SECONDS:
        seen = f"the oldest window waits for {duration(oldest)}"
        cure = "look at the sinks: /status, lanes"
        if facts.status.get("buffer"):
            cure = "look at the brokers: /status, buffer"
        yield Finding("warning", "acks", seen, cure, looked_at=METRICS)
