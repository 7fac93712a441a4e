"""Filebeat's settings, as its connections show them: what would cost less. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ptingest.doctor.server_facts import STATUS, ServerFacts
from ptingest.doctor.units import plural
from ptingest.model.finding import Finding

ENOUGH_WINDOWS = 20
"""With fewer windows the settings of a Beat cannot be known."""
SMALL_WINDOW_EVENTS = 200

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


def findings_of_filebeat(facts: ServerFacts) -> Iterator[Finding]:
    """Yield what each Beat's connection shows of its settings, and of its files' identity."""
    rows = (facts.status.get("beats") or {}).get("listed") or []
    for row in rows:
        if row.get("windows", 0) >= ENOUGH_WINDOWS:
            yield _settings(row)
    yield from _identities(rows)


def advice(row: Mapping[str, Any]) -> list[str]:
    """Return the settings that would make one Beat cheaper to serve."""
    windows, events = row.get("windows", 0), row.get("events", 0)
    if windows < ENOUGH_WINDOWS:
        return []
    found = []
    is_local = str(row.get("peer", "")).startswith(("127.", "[::1]", "::1"))
    if not row.get("compresses") and not is_local:
        found.append("compression_level: 3 sends about a tenth of the bytes")
    if row.get("largest_window", 0) <= SMALL_WINDOW_EVENTS:
        found.append(
            "bulk_max_size: 2048 costs less for each event (if there is that much to send)"
        )
    if not row.get("pipelines") and events / windows >= SMALL_WINDOW_EVENTS:
        found.append("pipelining: 2 sends the next window while this one is stored")
    return found


def _settings(row: Mapping[str, Any]) -> Finding:
    windows, events = int(row["windows"]), int(row["events"])
    largest = int(row.get("largest_window", 0))
    packed = "compressed" if row.get("compresses") else "not compressed"
    piped = "pipelined" if row.get("pipelines") else "one window at a time"
    found = (
        f"{plural(windows, 'window')}, {events / windows:.0f} events each (largest {largest}), "
        f"{packed}, {piped}"
    )
    better = advice(row)
    return Finding(
        "note" if better else "ok",
        "Beat's settings",
        found,
        "; ".join(better),
        looked_at=f"{STATUS}: connection {row['peer']}",
    )


def _identities(rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """By what files are known, as the first event of each connection shows it."""
    kinds = Counter(kind for row in rows if (kind := row.get("files_known_by")))
    for kind, (found, cure) in WEAK_IDENTITIES.items():
        weak = [row for row in rows if row.get("files_known_by") == kind]
        if weak:
            agents = sorted({str(row.get("agent") or "an unknown Beat") for row in weak})
            peers = ", ".join(str(row["peer"]) for row in weak[:3])
            shown = f"{len(weak)} of {plural(len(rows), 'connection')} ({', '.join(agents[:3])})"
            looked_at = f"{STATUS}: connection {peers}"
            yield Finding("note", "file identity", f"{shown}: {found}", cure, looked_at=looked_at)
    if kinds and not kinds.keys() & WEAK_IDENTITIES.keys():
        found = f"files are known by {', '.join(sorted(kinds))}: a rename changes no key"
        yield Finding("ok", "file identity", found, looked_at=STATUS)
