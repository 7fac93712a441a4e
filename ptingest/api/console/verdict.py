"""Is all well? One judgement of `/status`, worst first, each with its cure. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from ptingest.doctor import units as words

MANY_FAILURES = 0.01
"""A share of lines that fit no pattern from which it is worth a look."""
NEARLY_FULL = 0.9
RECENT_SECONDS = 3600.0
"""What went to a failure store longer ago is no news."""
SOON_DAYS = 14.0
SLOW_LOOP_SECONDS = 1.0
ENOUGH_WINDOWS = 20
"""Before that a Beat has hardly shown its habits."""
SMALL_WINDOW_EVENTS = 200
AHEAD_SECONDS = 60.0
"""Events this much in the future: a clock, or a time zone, is wrong."""

Status = Mapping[str, Any]
Level = Literal["bad", "warn"]


class Finding(NamedTuple):
    """One thing that is not well."""

    level: Level
    text: str
    cure: str
    page: str = ""
    """Where to look further, under `/console`."""


class Meter(NamedTuple):
    """One limit, and how near it is."""

    name: str
    used: float
    limit: float
    shown: str
    setting: str
    is_trimmed: bool = False
    """Full is as good as empty: the oldest makes room for the newest."""

    @property
    def share(self) -> float:
        """From 0.0 to 1.0."""
        return min(1.0, self.used / self.limit) if self.limit > 0 else 0.0

    @property
    def level(self) -> str:
        """How it is coloured, and named in words beside it."""
        if self.is_trimmed:
            return "good"
        return "bad" if self.share >= NEARLY_FULL else "warn" if self.share >= 0.75 else "good"


def findings(status: Status, unmatched: Mapping[str, tuple[int, int]]) -> list[Finding]:
    """Return what is not well, worst first; ``unmatched`` is by service (failures, lines)."""
    found = [
        *_readiness(status),
        *_books(status),
        *_limits(status),
        *_letters(status),
        *_failure_stores(status),
        *_parsing(unmatched),
        *_clocks(status),
        *_upkeep(status),
    ]
    return sorted(found, key=lambda finding: finding.level)


def _readiness(status: Status) -> Iterator[Finding]:
    for reason in status.get("not_ready_because", ()):
        if str(reason).startswith("draining"):
            cure = "Beats go on elsewhere or wait; nothing acked is lost."
        elif str(reason).startswith("dead letters"):
            cure = "Windows that need them are not acked; requeue or purge letters, or give room."
        else:
            cure = (
                "Beats wait meanwhile and nothing is lost. `ptingest doctor` asks what it may "
                "and names the cause."
            )
        yield Finding("bad", str(reason), cure)


def _books(status: Status) -> Iterator[Finding]:
    for sink, rows in status.get("books", {}).items():
        off = {service: row["residue"] for service, row in rows.items() if row["residue"]}
        if off:
            text = ", ".join(f"{service} by {count}" for service, count in off.items())
            yield Finding(
                "bad", f"The books of {sink} do not balance: {text} events",
                "That is a bug of ours: please report it with the output of /status.",
            )  # fmt: skip


def meters(status: Status) -> list[Meter]:
    """Return the limits that memory, disk and connections have."""
    found = []
    budget, beats, letters = (status.get(name, {}) for name in ("budget", "beats", "dead_letters"))
    store = status.get("store_file")
    if budget:
        used, limit = budget["outstanding_bytes"], budget["limit_bytes"]
        found.append(_bytes("Documents outstanding", used, limit, "beats.limits.total_bytes, half"))
    if beats:
        used, limit = beats["waiting_bytes"], beats["waiting_bytes_limit"]
        found.append(
            _bytes("Received, not yet opened", used, limit, "beats.limits.total_bytes, half")
        )
        used, limit = beats["connections"], beats["connections_limit"]
        shown = f"{words.count(used)} of {words.count(limit)}"
        found.append(Meter("Connections", used, limit, shown, "beats.limits.connections"))
    if letters:
        used, limit = letters["bytes"], letters["limit_bytes"]
        found.append(_bytes("Dead letters on disk", used, limit, "dead_letters.max_bytes"))
    if store and store["bytes"] is not None and store["limit_bytes"]:
        one = _bytes(
            "Store on disk", store["bytes"], store["limit_bytes"],
            "sinks.store.max_bytes; the oldest documents make room",
        )  # fmt: skip
        found.append(one._replace(is_trimmed=True))
    return found


def _bytes(name: str, used: float, limit: float, setting: str) -> Meter:
    return Meter(name, used, limit, f"{words.size(used)} of {words.size(limit)}", setting)


def _limits(status: Status) -> Iterator[Finding]:
    for meter in meters(status):
        if meter.level == "bad":
            yield Finding(
                "warn", f"{meter.name}: {meter.shown}, nearly full",
                f"Raise {meter.setting}, or find out what fills it.",
            )  # fmt: skip
    if status.get("loop_lag_seconds", 0.0) >= SLOW_LOOP_SECONDS:
        lag = words.duration(status["loop_lag_seconds"])
        cure = "Is the machine short of CPU, or the disk slow? Keepalives wait that long."
        yield Finding("warn", f"The server paused for {lag} lately", cure)


def _letters(status: Status) -> Iterator[Finding]:
    waiting = status.get("dead_letters", {}).get("waiting", 0)
    if waiting:
        text, cure = "1 dead letter waits", "It is safe here and nowhere else: see why."
        if waiting > 1:
            text = f"{words.count(waiting)} dead letters wait"
            cure = "They are safe here and nowhere else: see why, then requeue or purge them."
        yield Finding("warn", text, cure, "/dead-letters")


def _failure_stores(status: Status) -> Iterator[Finding]:
    for stream, row in (status.get("failure_store") or {}).items():
        if row["last_seconds_ago"] >= RECENT_SECONDS:
            continue
        text = f"{words.count(row['documents'])} events are in the failure store of {stream}"
        if row["reason"]:
            text = f"{text}: {row['reason']}"
        cure = (
            f"Elasticsearch took them and nobody finds them in {stream}: "
            f"`GET {stream}::failures/_search` shows each with its error."
        )
        yield Finding("warn", text, cure)


def _parsing(unmatched: Mapping[str, tuple[int, int]]) -> Iterator[Finding]:
    shares = {
        service: failures / lines for service, (failures, lines) in unmatched.items() if lines
    }
    many = {service: share for service, share in shares.items() if share >= MANY_FAILURES}
    if many:
        ordered = sorted(many.items(), key=lambda one: -one[1])
        named = ", ".join(f"{service} {share:.0%}" for service, share in ordered)
        cure = "They are stored, but only as text: see what they look like and what they lack."
        yield Finding("warn", f"Lines that fit no pattern: {named}", cure, "/failures")


def _clocks(status: Status) -> Iterator[Finding]:
    for service, row in status.get("services", {}).items():
        lag = row.get("last_lag_seconds")
        if lag is not None and lag <= -AHEAD_SECONDS:
            text = f"{service}: its events come from {words.duration(-lag)} in the future"
            yield Finding("warn", text, "Look at that host's clock, or the profile's time zone.")


def _upkeep(status: Status) -> Iterator[Finding]:
    certificates, config = status.get("certificates") or {}, status.get("config") or {}
    if certificates.get("trouble"):
        cure = "The ones in force stay until the new ones fit."
        yield Finding("warn", f"Certificates: {certificates['trouble']}", cure)
    for file in certificates.get("files", ()):
        if file["expires_in_days"] <= SOON_DAYS:
            text = f"{file['setting']} expires in {file['expires_in_days']:.0f} days"
            yield Finding("warn", text, f"Replace {file['file']}; it is read again by itself.")
    if config.get("last_error"):
        cure = "What was in force stays in force; mend it and send SIGHUP again."
        yield Finding("warn", f"The last reload was refused: {config['last_error']}", cure)
    if config.get("waiting_for_restart"):
        names = ", ".join(config["waiting_for_restart"])
        yield Finding("warn", f"Changed, but read at a start only: {names}", "Restart the server.")


def advice(row: Status) -> list[str]:
    """Return what would make one Beat cheaper to serve, as its connection shows it."""
    windows, events = row.get("windows", 0), row.get("events", 0)
    if windows < ENOUGH_WINDOWS:
        return []
    mean, largest = events / windows, row.get("largest_window", 0)
    found = []
    if not row.get("compresses") and not str(row.get("peer", "")).startswith(("127.", "::1")):
        found.append("compression_level: 3 sends about a tenth of the bytes")
    if largest <= SMALL_WINDOW_EVENTS:
        found.append("bulk_max_size: 2048, if there is that much to send")
    if not row.get("pipelines") and mean >= SMALL_WINDOW_EVENTS:
        found.append("pipelining: 2 sends the next window while this one is stored")
    return found
