"""No data? Judges what a running server says of the events on their way. Pure.

In the order of travel: does anybody connect, do events come, are they of our group, do
they parse, are they stored, is their time plausible, which limits were hit, and how do the
Beats themselves behave on the wire.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ptingest.doctor.server_facts import ServerFacts
from ptingest.doctor.units import share
from ptingest.model.finding import Finding, Mark

STATUS = "/status"
METRICS = "/metrics"

RECEIVED = "ptingest_flow_received_events_total"
DROPPED = "ptingest_flow_dropped_events_total"
NOTED = "ptingest_pipeline_noted_events_total"
LETTERS = "ptingest_flow_dead_lettered_events_total"
SETTLED = "ptingest_lane_settled_events_total"

MANY = 0.01
"""A share of failures from which it is worth a warning."""
AHEAD_SECONDS = 60.0
SMALL_WINDOW_EVENTS = 200
SHAPES_TOLD = 3
SOON_DAYS = 14
RECENT_SECONDS = 3600.0
"""What was put into a failure store longer ago is a note."""
FRESH_SECONDS = 60.0
"""A server that runs for less has not waited for events."""
MISUNDERSTOOD = ("ptingest_beats_protocol_errors_total", "ptingest_beats_tls_failures_total")
"""Who connects and does not speak as we do leaves a trace here."""
ENOUGH_WINDOWS = 20
"""Before that a Beat has hardly shown its habits."""

WEAK_IDENTITIES = {
    "path": (
        "log.file holds neither inode nor fingerprint, so files are known by their path; what "
        "is sent again after a rename is stored twice",
        "use the filestream input of Filebeat 8.10 or newer (the log input and 7.17 send the path "
        "alone); until then write to files that are never renamed, with file_identity.path",
    ),
    "nothing": (
        "log.file or host.name is missing, so events have no key; what is sent again is stored "
        "twice",
        "take log.file and host out of drop_fields in filebeat.yml",
    ),
}
"""What a sender's events say of its files -> what follows, and what to change."""

LIMITS = {
    "ptingest_beats_rejected_connections_total": "connections refused",
    "ptingest_beats_protocol_errors_total": "connections closed for a broken wire format",
    "ptingest_beats_failed_windows_total": "windows not acked",
    "ptingest_dead_letters_dropped_events_total": "dead letters expired or pushed out",
}
CLOSED_BY_US = {
    "held_too_long": "beats.hold_seconds: the sinks are too slow or down",
    "write_timeout": "beats.limits.write_seconds: the peer reads no acks",
    "first_byte_timeout": "beats.limits.first_byte_seconds: connects and says nothing",
    "frame_timeout": "beats.limits.frame_seconds: stalls in mid-frame",
    "window_timeout": "beats.limits.window_seconds: never completes a window",
}


def judge_traffic(facts: ServerFacts) -> Iterator[Finding]:
    """Yield what a server's numbers say."""
    yield from _ready(facts)
    yield from _workers(facts)
    yield from _arrivals(facts)
    yield from _drops(facts)
    yield from _dead_letters(facts)
    yield from _failure_stores(facts)
    yield from _parsing(facts)
    yield from _clock(facts)
    yield from _limits(facts)
    yield from _wire(facts)
    yield from _certificates(facts)
    yield from _books(facts)


def active_services(facts: ServerFacts) -> frozenset[str]:
    """Services of which documents should be somewhere by now."""
    fates = facts.metrics.get(SETTLED, {})
    kept = {"stored", "already_stored"}
    return frozenset(s for (fate, s, _), count in fates.items() if fate in kept and count) - {
        "other"
    }


def _ready(facts: ServerFacts) -> Iterator[Finding]:
    reasons = facts.status.get("not_ready_because") or []
    looked_at = f"{facts.where}/readyz"
    if not reasons:
        yield Finding("ok", "ready", "ready for Beats", looked_at=looked_at)
    for reason in reasons:
        yield Finding(
            "problem", "ready", reason, "the reason names what to do", looked_at=looked_at
        )


def _workers(facts: ServerFacts) -> Iterator[Finding]:
    """Where there are several: is each there, and did they stay?"""
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
        seen = f"worker {row['worker']} was started again {row['restarts']} times"
        seen = f"{seen}; the last one {row['last_end']}"
        cure = "the log says why: out of memory (see the kernel's log), a bug, or a loop that hung"
        yield Finding("warning", "workers", seen, cure, looked_at=STATUS)
    if not away and not fallen:
        spread = ", ".join(str(row["connections"]) for row in rows)
        seen = f"{len(rows)} run, connections {spread}"
        yield Finding("ok", "workers", seen, "", looked_at=STATUS)


def _arrivals(facts: ServerFacts) -> Iterator[Finding]:
    subject, looked_at = "events arrive", METRICS
    accepted = facts.value("ptingest_beats_accepted_connections_total")
    received = facts.value(RECEIVED)
    listening = facts.status.get("listening")
    if received:
        services = facts.total(RECEIVED)
        shown = ", ".join(f"{name} {count}" for name, count in _by_service(facts).items())
        yield Finding("ok", subject, f"{services['']} events: {shown}", looked_at=looked_at)
    elif accepted:
        yield _empty_handed(facts, accepted)
    else:
        seen = f"no Beat has connected to {listening} yet"
        cure = (
            "output.logstash.hosts in filebeat.yml must name this host and port; from there try "
            "`filebeat test output`. In Docker both must be on one network (elk-net) and the "
            "port published; a firewall swallows silently"
        )
        yield Finding("problem", subject, seen, cure, looked_at=looked_at)


def _empty_handed(facts: ServerFacts, accepted: float) -> Finding:
    """Connections came and no event: a look at the port, or two that do not understand."""
    seen = f"{accepted:.0f} connections came, no event with them"
    if accepted == 1:
        seen = "1 connection came, no event with it"
    cure = (
        "does the Beat speak Lumberjack (output.logstash, not output.elasticsearch)? TLS on "
        "both sides or on neither? See protocol errors below and Filebeat's own log"
    )
    mark: Mark = "warning"
    if any(facts.value(name) for name in MISUNDERSTOOD):
        mark = "problem"
    elif facts.status.get("uptime_seconds", FRESH_SECONDS) < FRESH_SECONDS:
        mark, seen = "note", f"{seen} yet"
        cure = "a probe of the port looks like this, and a Beat that has nothing to send yet"
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
    }
    total = sum(dropped.values())
    if not total:
        yield Finding("ok", "dropped by rule", "none", looked_at=METRICS)
        return
    shown = "; ".join(f"{count} {reason}" for reason, count in dropped.most_common())
    cure = " ".join(reasons.get(reason, "") for reason, _ in dropped.most_common())
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
    if row.get("trouble"):
        yield Finding("problem", "dead letters", row["trouble"], "make room", looked_at=looked_at)
    if not waiting:
        yield Finding("ok", "dead letters", "none wait", looked_at=looked_at)
        return
    reasons = facts.total(LETTERS, by=0)
    shown = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    cure = "`ptingest dead-letters list` shows each with its reason"
    if "illegal_data_stream" in reasons:
        cure += '; a service name must be lower case, without spaces and any of \\ / * ? " < > | ,'
    if "too_many_services" in reasons:
        cure += "; more services than known_services and max_services of the profile allow"
    if "refused" in reasons or "mapping" in reasons:
        cure += (
            "; refused by Elasticsearch: `ptingest setup --only templates` (its mappings refuse "
            "no kind of value), POST /<stream>/_rollover, then requeue"
        )
    if not reasons.keys().isdisjoint(("event_invalid", "tags_invalid")):
        cure += (
            "; `event` or `tags` of another kind: rename it in filebeat.yml, as each letter says"
        )
    seen = f"{waiting} wait" + (f"; written since the start: {shown}" if shown else "")
    yield Finding("warning", "dead letters", seen, cure, looked_at=looked_at)


def _failure_stores(facts: ServerFacts) -> Iterator[Finding]:
    """What Elasticsearch took and put where nobody looks for it."""
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
            f"GET {stream}::failures/_search shows each with its error; compare mappings "
            "(`ptingest setup`) and what Filebeat sends, look for a write block, then reindex "
            "them from there"
        )
        mark: Mark = "warning" if min(ages, default=0.0) < RECENT_SECONDS else "note"
        yield Finding(mark, "failure store", seen, cure, looked_at=f"{METRICS}, {STATUS}")
    if received and not any(counts.values()):
        yield Finding("ok", "failure store", "nothing is in one", looked_at=METRICS)


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
            seen += "; ".join(map(_shape_text, shapes[:SHAPES_TOLD]))
        cure = (
            "a line that belongs to the one before it: multiline in filebeat.yml. Another "
            "format: a pattern with samples in the profile; `ptingest try --service "
            f"{service}` shows what becomes of lines. They are stored all the same"
        )
        if count == received.get(service):
            cure = f"no line fits: {service} writes a format of its own, or {cure}"
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


def _noted(facts: ServerFacts, what: str) -> dict[str, int]:
    rows = facts.metrics.get(NOTED, {})
    return {service: int(count) for (service, noted), count in rows.items() if noted == what}


def _shape_text(row: Mapping[str, Any]) -> str:
    nearest = row.get("nearest_pattern")
    text = f"{row.get('sampled')} x `{row.get('shape')}`"
    if nearest is None:
        return text
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
        seen = f"events of {name} are {seconds:.0f} s in the future"
        yield Finding("warning", "clock", seen, cure, looked_at=looked_at)
    if rows and not ahead:
        lags = [row["last_lag_seconds"] for row in rows.values() if row.get("last_lag_seconds")]
        seen = f"no event from the future; the latest are {min(lags):.0f} s old" if lags else ""
        yield Finding("ok", "clock", seen or "no event from the future", looked_at=looked_at)


def _limits(facts: ServerFacts) -> Iterator[Finding]:
    tripped = [
        f"{count:.0f} {what} ({', '.join(labels)})"
        for name, what in LIMITS.items()
        for labels, count in facts.metrics.get(name, {}).items()
        if count
    ]
    closed = facts.metrics.get("ptingest_beats_closed_connections_total", {})
    tripped += [
        f"{count:.0f} connections closed, {CLOSED_BY_US[reason]}"
        for (reason,), count in closed.items()
        if reason in CLOSED_BY_US and count
    ]
    budget = facts.status.get("budget") or {}
    if budget.get("outstanding_bytes", 0) >= budget.get("limit_bytes", 1):
        tripped.append(f"memory for documents is full ({budget.get('setting')}): Beats wait")
    beats = facts.status.get("beats") or {}
    if beats.get("accepting") is False:
        tripped.append("no new connections: bytes received fill beats.limits.total_bytes / 2")
    if not tripped:
        yield Finding("ok", "limits", "none was hit since the start", looked_at=METRICS)
    for one in tripped:
        cure = "the log names the peer; raise the limit only if the load is meant"
        yield Finding("warning", "limits", one, cure, looked_at=METRICS)


def _wire(facts: ServerFacts) -> Iterator[Finding]:
    """Filebeat's settings as its connections show them."""
    rows = (facts.status.get("beats") or {}).get("listed") or []
    for row in rows:
        if row.get("windows", 0) >= ENOUGH_WINDOWS:
            yield _habits(row)
    yield from _identities(rows)


def _identities(rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """By what files are known, as the first event of each connection shows it."""
    kinds = Counter(kind for row in rows if (kind := row.get("files_known_by")))
    for kind, (found, cure) in WEAK_IDENTITIES.items():
        peers = [str(row["peer"]) for row in rows if row.get("files_known_by") == kind]
        if peers:
            agents = sorted({str(row.get("agent") or "an unknown Beat") for row in rows
                             if row.get("files_known_by") == kind})  # fmt: skip
            seen = f"{len(peers)} of {len(rows)} connections ({', '.join(agents[:3])}): {found}"
            looked_at = f"{STATUS}: connection {', '.join(peers[:3])}"
            yield Finding("note", "file identity", seen, cure, looked_at=looked_at)
    if kinds and not kinds.keys() & WEAK_IDENTITIES.keys():
        seen = f"files are known by {', '.join(sorted(kinds))}: a rename changes no key"
        yield Finding("ok", "file identity", seen, looked_at=STATUS)


def _habits(row: Mapping[str, Any]) -> Finding:
    windows, events = int(row["windows"]), int(row["events"])
    mean, largest = events / windows, int(row.get("largest_window", 0))
    packed = "compressed" if row.get("compresses") else "not compressed"
    piped = "pipelined" if row.get("pipelines") else "one window at a time"
    seen = f"{windows} windows, {mean:.0f} events each (largest {largest}), {packed}, {piped}"
    advice = []
    if not row.get("compresses") and not str(row["peer"]).startswith(("127.", "[::1]", "::1")):
        advice.append("compression_level: 3 sends about a tenth of the bytes")
    if largest <= SMALL_WINDOW_EVENTS:
        advice.append(
            "bulk_max_size: 2048 costs less for each event (if there is that much to send)"
        )
    if not row.get("pipelines") and mean >= SMALL_WINDOW_EVENTS:
        advice.append("pipelining: 2 sends the next window while this one is stored")
    looked_at = f"{STATUS}: connection {row['peer']}"
    return Finding(
        "note" if advice else "ok", "Beat's settings", seen, "; ".join(advice), looked_at=looked_at
    )


def _certificates(facts: ServerFacts) -> Iterator[Finding]:
    expiries = facts.metrics.get("ptingest_worker_certificate_expiry_seconds", {})
    for (setting,), expires in expiries.items():
        days = (expires - facts.asked_at) / 86_400
        seen = f"{setting} expires in {days:.0f} days"
        if days < 0:
            seen = f"{setting} expired {-days:.0f} days ago"
            cure = "renew it: replaced files are taken at once, nothing is restarted"
            yield Finding("problem", "certificate", seen, cure, looked_at=METRICS)
        elif days < SOON_DAYS:
            cure = "renew it: replaced files are taken at once, nothing is restarted"
            yield Finding("warning", "certificate", seen, cure, looked_at=METRICS)
        else:
            yield Finding("ok", "certificate", seen, looked_at=METRICS)


def _books(facts: ServerFacts) -> Iterator[Finding]:
    residue = facts.value("ptingest_flow_residue_events")
    oldest = facts.value("ptingest_beats_oldest_window_seconds")
    if residue:
        cure = "this is a bug: please report it with /status"
        yield Finding(
            "problem", "books", f"{residue:.0f} events unaccounted for", cure, looked_at=METRICS
        )
    if oldest > 30:
        seen = f"the oldest window waits for {oldest:.0f} s"
        yield Finding(
            "warning", "acks", seen, "look at the sinks: /status, lanes", looked_at=METRICS
        )
    fates = ", ".join(f"{count} {fate}" for fate, count in facts.total(SETTLED, by=0).items())
    if not residue:
        yield Finding(
            "ok", "books", f"balance; {fates or 'nothing settled yet'}", looked_at=METRICS
        )
