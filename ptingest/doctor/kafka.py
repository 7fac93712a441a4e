"""Findings about a buffer in Kafka and about sources of Kafka, from the status. Pure.

What keeps events from being taken or read is a reason of `/readyz`, and `doctor.traffic` tells
it. Here is what `/readyz` does not tell: slowness, growth, loss, and what is well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ptingest.doctor.server_facts import STATUS, ServerFacts
from ptingest.doctor.units import duration, plural
from ptingest.model.finding import Finding, Mark

OLD_RECORD_SECONDS = 5.0
"""Brokers confirm within milliseconds; from 15 s on `/readyz` tells it."""
OLD_EVENT_SECONDS = 30.0
GROWING_SECONDS = 300.0
FRESH_SECONDS = 60.0
"""A group deals its partitions out within seconds of a start."""

Row = Mapping[str, Any]


class KafkaRow(NamedTuple):
    """The buffer or a source in a few numbers, as `top` and the console show it."""

    name: str
    """``to TOPIC`` for the buffer where it is written, ``source NAME`` where Kafka is read."""
    taken: int
    """Events received for the buffer, or read, since the start."""
    safe: int
    """Those of them appended, or settled in the sinks."""
    outstanding: int
    """Events under way."""
    lag: int | None
    """Records that are not safe yet, unread ones included; None for the buffer and where it is
    not known."""
    oldest_seconds: float
    partitions: int | None
    troubles: tuple[str, ...]
    is_buffer: bool


def kafka_rows(status: Row) -> list[KafkaRow]:
    """Return a row for the buffer and one a source; none where Kafka is not configured."""
    found = []
    buffer = status.get("buffer")
    if buffer:
        name, partitions = f"to {buffer.get('topic')}", buffer.get("topic_partitions")
        found.append(_kafka_row(name, buffer, partitions, is_buffer=True))
    for source, row in (status.get("kafka") or {}).items():
        name = f"source {source}"
        found.append(_kafka_row(name, row, row.get("partitions"), is_buffer=False))
    return found


def _kafka_row(name: str, row: Row, partitions: int | None, *, is_buffer: bool) -> KafkaRow:
    events = row.get("events") or {}
    taken, safe = ("received", "appended") if is_buffer else ("read", "settled")
    return KafkaRow(
        name=name,
        taken=int(events.get(taken, 0)),
        safe=int(events.get(safe, 0)),
        outstanding=int(events.get("outstanding", 0)),
        lag=row.get("lag"),
        oldest_seconds=float(row.get("oldest_seconds") or 0.0),
        partitions=partitions,
        troubles=tuple(map(str, row.get("troubles") or ())),
        is_buffer=is_buffer,
    )


def findings_of_kafka(facts: ServerFacts) -> Iterator[Finding]:
    """Yield nothing where Kafka is not configured."""
    buffer = facts.status.get("buffer")
    if buffer:
        yield from _buffer(buffer)
    for name, source in (facts.status.get("kafka") or {}).items():
        found = list(_source(name, source, float(facts.status.get("uptime_seconds") or 0.0)))
        yield from found or [_numbers(name, source)]


def buffer_residue(buffer: Row) -> int:
    """Events of the buffer that its books do not account for; anything but 0 is a bug."""
    row = buffer.get("events") or {}
    fates = ("appended", "dead_lettered", "given_back", "outstanding")
    return int(row.get("received", 0)) - sum(int(row.get(fate, 0)) for fate in fates)


def _buffer(buffer: Row) -> Iterator[Finding]:
    events, topic = buffer.get("events") or {}, buffer.get("topic")
    waiting = int(events.get("outstanding", 0))
    oldest = float(buffer.get("oldest_seconds") or 0.0)
    if buffer.get("troubles"):
        return  # a reason of /readyz
    if oldest >= OLD_RECORD_SECONDS:
        seen = (
            f"Kafka has not confirmed a record for {duration(oldest)}; "
            f"{plural(waiting, 'event')} for topic {topic} wait, and windows are not acked"
        )
        cure = (
            "are the brokers or the replicas of the topic slow (disk, network, "
            "kafka-topics.sh --describe --under-replicated-partitions)? Beats keep their logs"
        )
        yield Finding("warning", "buffer", seen, cure, looked_at=STATUS)
        return
    seen = f"{plural(int(events.get('appended', 0)), 'event')} appended to topic {topic}"
    seen += f", {waiting} on their way"
    yield Finding("ok", "buffer", seen, looked_at=STATUS)


def _source(name: str, source: Row, uptime: float) -> Iterator[Finding]:
    subject, group = f"source {name}", source.get("group")
    if source.get("lost_records"):
        seen = (
            f"{plural(int(source['lost_records']), 'record')} were deleted by Kafka before they "
            "were read (since the start)"
        )
        cure = (
            "let the topic keep records longer than the longest outage: retention.ms, "
            "retention.bytes"
        )
        yield Finding("warning", subject, seen, cure, looked_at=STATUS)
    if source.get("troubles"):
        return  # reasons of /readyz; the rest follows from them
    if not source.get("partitions") and uptime >= FRESH_SECONDS:
        seen = f"no partition is assigned to this member of group {group}; it reads nothing"
        cure = (
            "the group has more members than the topics have partitions, or no topic is there: "
            f"kafka-consumer-groups.sh --describe --group {group}"
        )
        yield Finding("warning", subject, seen, cure, looked_at=STATUS)
    if source.get("commit_error"):
        seen = f"offsets are not committed: {source['commit_error']}"
        cure = (
            "they are tried again; what is read twice after a restart is recognised by its key. "
            "If it stays: the group's coordinator, and READ on the group for this user"
        )
        yield Finding("warning", subject, seen, cure, looked_at=STATUS)
    yield from _slowness(subject, source)


def _slowness(subject: str, source: Row) -> Iterator[Finding]:
    oldest = float(source.get("oldest_seconds") or 0.0)
    growing = float(source.get("lag_growing_seconds") or 0.0)
    if oldest >= OLD_EVENT_SECONDS:
        waiting = int((source.get("events") or {}).get("outstanding", 0))
        seen = f"the oldest event that was read is not safe for {duration(oldest)}"
        seen += f"; {plural(waiting, 'event')} are under way"
        cure = "look at the sinks: /status, lanes; Kafka keeps what is not committed"
        yield Finding("warning", subject, seen, cure, looked_at=STATUS)
    if growing >= GROWING_SECONDS:
        seen = (
            f"the lag has grown for {duration(growing)}, to "
            f"{plural(int(source.get('lag') or 0), 'record')}"
        )
        cure = (
            "more comes than is stored: add indexers (at most one a partition), or find out why "
            "sinks are slow; what is older than the topic's retention is deleted unread"
        )
        yield Finding("warning", subject, seen, cure, looked_at=STATUS)


def _numbers(name: str, source: Row) -> Finding:
    events, lag = source.get("events") or {}, source.get("lag")
    shown = "not known yet" if lag is None else plural(int(lag), "record")
    seen = (
        f"{plural(int(events.get('read', 0)), 'event')} read from "
        f"{plural(int(source.get('partitions') or 0), 'partition')}, "
        f"{int(events.get('settled', 0))} safe, lag {shown}"
    )
    mark: Mark = "note" if source.get("troubles") else "ok"
    return Finding(mark, f"source {name}", seen, looked_at=STATUS)
