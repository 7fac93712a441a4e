"""What the client library tells every few seconds of its brokers and partitions. Pure.

Its form is STATISTICS.md of librdkafka.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class _Broker(msgspec.Struct):
    state: str = ""


class _Partition(msgspec.Struct):
    hi_offset: int = -1
    ls_offset: int = -1


class _Topic(msgspec.Struct):
    partitions: dict[str, _Partition] = {}


class _Group(msgspec.Struct):
    state: str = "up"
    join_state: str = ""


class _Told(msgspec.Struct):
    brokers: dict[str, _Broker] = {}
    topics: dict[str, _Topic] = {}
    cgrp: _Group | None = None


JOINING = frozenset({"wait-join", "wait-sync"})
"""States of a member that asked to be let in; with nothing to read it does not ask."""

_decode = msgspec.json.Decoder(_Told).decode


REPORT_SECONDS = 1.0
"""How often the library reports."""
FAILED_REPORTS = 2
"""Reports in a row without a connected broker that are trouble where connections fail; one may
fall into the moment in which a connection is made again."""
SILENT_REPORTS = 10
"""So many are trouble also where nothing failed."""
ASKING_REPORTS = 3
"""Reports in a row in which a member does not ask to be let in, until it counts as one that does
not: one that is refused asks again after a moment."""
LOST_REPORTS = 30
"""So many, and the client may have lost brokers that are there."""


class ClientStatistics:
    """The last ones of one client; written by its thread, read by the loop."""

    def __init__(self) -> None:
        self.last_error = ""
        """What the library said last of its connections."""
        self.rebalances = 0
        self.group_state = ""
        """``steady`` where the group's members are agreed on who reads what."""
        self.is_joining = False
        """The member waits for its group's coordinator, or to be let in."""
        self.trouble: str | None = None
        """Why no broker can be used; None while one is connected, or nothing is known yet."""
        self._not_asking = ASKING_REPORTS
        """Reports in a row in which the member did not ask to be let in."""
        self._silent = 0
        """Reports in a row without a connected broker."""
        self._ends: Mapping[tuple[str, int], int] = {}

    def read(self, text: str | bytes) -> None:
        """Take one report; one that is no such JSON is left out, since it is only told."""
        try:
            told = _decode(text)
        except msgspec.MsgspecError:
            return
        group = told.cgrp or _Group()
        self.group_state = group.join_state
        is_asking = group.state != "up" or group.join_state in JOINING
        self._not_asking = 0 if is_asking else self._not_asking + 1
        self.is_joining = self._not_asking < ASKING_REPORTS
        if any(one.state == "UP" for one in told.brokers.values()):
            self.trouble, self.last_error, self._silent = None, "", 0
        else:
            self._silent += 1
            if self._silent >= (FAILED_REPORTS if self.last_error else SILENT_REPORTS):
                self.trouble = f"no broker answers ({self.last_error or 'none is connected'})"
        self._ends = {
            (topic, int(number)): _end(one)
            for topic, held in told.topics.items()
            for number, one in held.partitions.items()
            if _end(one) >= 0
        }

    @property
    def is_lost(self) -> bool:
        """No broker has been connected for long."""
        return self._silent >= LOST_REPORTS

    def end_of(self, topic: str, partition: int) -> int | None:
        """The offset after a partition's last record that may be read; None: not known."""
        return self._ends.get((topic, partition))


def _end(partition: _Partition) -> int:
    """Records of transactions that are open cannot be read yet."""
    return partition.ls_offset if partition.ls_offset >= 0 else partition.hi_offset
