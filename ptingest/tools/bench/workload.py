"""A user's own lines as the windows that a Beat would send, to measure what they cost.

Plain lines are wrapped as Filebeat 8 does it with `add_host_metadata`, about 700 bytes
around each; events that are JSON already are used unchanged. A short file is sent several
times, so that there is enough to measure.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ptingest.lumberjack.frames import encode_window
from ptingest.pipeline.plain_lines import constant_fields, filebeat_event

WINDOW_EVENTS = 2048
"""Filebeat's `bulk_max_size`."""
COMPRESSION_LEVEL = 3
"""Filebeat's `compression_level`."""
ENOUGH_EVENTS = 4 * WINDOW_EVENTS
ENOUGH_BYTES = 32 << 20
"""The limit in bytes; events are in memory several times while they are measured."""

_AGENT = {
    "id": "5f0f3a55-2c0e-4a51-9d0e-6a2b8f4f7c11",
    "name": "pt-app-1",
    "type": "filebeat",
    "version": "8.17.3",
    "ephemeral_id": "b1c5ff2e-7a0d-4a4e-8f5a-0d0f6d2f9b77",
}
_HOST = {
    "name": "pt-app-1",
    "hostname": "pt-app-1",
    "architecture": "x86_64",
    "containerized": False,
    "id": "0b6d2c9f5f4b4c0e8b6f1d2e3a4b5c6d",
    "ip": ["10.0.3.17", "fe80::215:5dff:fe00:1a2b"],
    "mac": ["00-15-5D-00-1A-2B"],
    "os": {
        "type": "linux",
        "platform": "ubuntu",
        "version": "22.04.4 LTS (Jammy Jellyfish)",
        "family": "debian",
        "name": "Ubuntu",
        "kernel": "5.15.0-105-generic",
        "codename": "jammy",
    },
}


class Workload(NamedTuple):
    """What is sent in one round."""

    own: Sequence[bytes]
    """The file's events, each once, as a Beat would send them."""
    windows: Sequence[Sequence[bytes]]
    """All of one round: the file's events, repeated where they are few."""
    wires: Sequence[bytes]
    """The same windows, framed and compressed."""
    is_cut: bool
    """Only the beginning of the file is used."""

    @property
    def events(self) -> int:
        """Events in one round."""
        return sum(map(len, self.windows))

    @property
    def repeats(self) -> float:
        """How often each of the file's events is sent in a round."""
        return self.events / len(self.own)

    @property
    def event_bytes(self) -> float:
        """Bytes of one event as JSON, on average."""
        return sum(map(len, self.own)) / len(self.own)

    @property
    def wire_bytes(self) -> float:
        """Average bytes of one event on the wire from the Beat; measured on the file's own
        events, since repeated ones compress to nothing."""
        return sum(map(len, _wires(self.own))) / len(self.own)


def make_workload(
    records: Iterable[bytes],
    *,
    wrap: Callable[[bytes], bytes] = bytes,
    enough_events: int = ENOUGH_EVENTS,
    enough_bytes: int = ENOUGH_BYTES,
) -> Workload | None:
    """Make windows of records, each made an event by ``wrap``; None where there is no record.

    Takes no more than enough of them, and repeats them until there are enough or the
    next repetition would be too much to hold.
    """
    read = iter(records)
    taken = list(_up_to(read, enough_events, enough_bytes))
    if not taken:
        return None
    is_cut = next(read, None) is not None
    own = [wrap(record) for record in taken]
    size = sum(map(len, own))
    repeats = min(-(-enough_events // len(own)), max(1, enough_bytes // max(1, size)))
    # Wrapped again each time: a repeated line has a later offset in its file.
    more = [wrap(record) for _ in range(repeats - 1) for record in taken]
    events = [*own, *more][: max(len(own), enough_events)]
    return Workload(own, _windows(events), _wires(events), is_cut)


def _windows(events: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [events[start : start + WINDOW_EVENTS] for start in range(0, len(events), WINDOW_EVENTS)]


def _wires(events: Sequence[bytes]) -> list[bytes]:
    return [encode_window(window, 1, COMPRESSION_LEVEL) for window in _windows(events)]


def _up_to(records: Iterator[bytes], most_events: int, most_bytes: int) -> Iterator[bytes]:
    """Yield records until there are enough; at least one."""
    size = 0
    for record in itertools.islice(records, most_events):
        yield record
        size += len(record)
        if size >= most_bytes:
            return


class FilebeatEvents:
    """Wraps lines of one service's log as Filebeat would send them now."""

    def __init__(self, *, service: str, group: str, now: datetime | None = None) -> None:
        self._offset = 0
        self._now = now or datetime.now(UTC)
        self._count = 0
        path = f"/var/log/{group}/{service}.log"
        self._file = {"path": path, "device_id": "64768", "inode": "1315423"}
        constant = constant_fields(agent=_AGENT, host=_HOST, group=group)
        self._constant = {**constant, "service": service}
        self._metadata = {"beat": "filebeat", "type": "_doc", "version": "8.17.3"}

    def wrap(self, record: bytes) -> bytes:
        """Return one event as JSON; its offset is the position of the record in its file."""
        log = {"offset": self._offset, "file": self._file}
        self._offset += len(record) + 1
        self._count += 1
        return filebeat_event(
            record.removesuffix(b"\r"),
            at=self._now.replace(microsecond=self._count % 1000 * 1000),
            fields=self._constant,
            metadata=self._metadata,
            log=log,
        )
