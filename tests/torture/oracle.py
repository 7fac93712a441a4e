"""Uniquely numbered events, and the judgement of what became of each.

    event(n) --> Beats --> server --> sinks
       |                                 |
    acked(n): an obligation          found(place, source)
       +-----------> verdict() <---------+

An event is made from the seed and its number alone, so that the oracle remembers one byte
an event and can tell for any document whether it is what was issued. Four things may be
wrong: lost (acked and nowhere), doubled (stored more than once), corrupt (stored with
other content), invented (stored and never issued).
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

SERVICES = ("django", "celery", "celerybeat", "flower")
"""Their lines carry their own time, so that even a restarted Beat's events are recognised."""
START = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
EXAMPLES = 5
OFFSET_BYTES = 180
"""How far a line is from the next in its file; any number would do."""

_ISSUED = re.compile(r"\|torture (\d+) event (\d+) ")
_HOST = {
    "name": "app-01",
    "hostname": "app-01",
    "architecture": "x86_64",
    "os": {"type": "linux", "platform": "ubuntu", "version": "22.04.4 LTS", "kernel": "5.15.0"},
    "ip": ["10.0.3.17", "fe80::215:5dff:fe00:1a2b"],
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one run showed; an empty ``faults`` is a pass."""

    events: int
    acked: int
    stored: int
    dead_lettered: int
    failure_stored: int
    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    corrupt: list[int] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    twice_kept_aside: int = 0
    """Letters or failure-stored documents beside a stored one, or twice; no event is lost
    by it, and a requeue recognises them by their key."""

    def faults(self, *, may_double: bool = False) -> list[str]:
        """One sentence for each kind of fault, with the first numbers."""
        kinds: dict[str, Sequence[object]] = {
            "lost": self.lost,
            "doubled": () if may_double else self.doubled,
            "corrupt": self.corrupt,
            "invented": self.invented,
        }
        return [
            f"{len(found)} {kind}: {', '.join(map(str, found[:EXAMPLES]))}"
            for kind, found in kinds.items()
            if found
        ]


class Oracle:
    """Issues events 0 to ``events`` - 1 for ``beats`` Beats and judges what is found."""

    def __init__(
        self, seed: int, events: int, *, beats: int, padding: str = "", poison: int | None = None
    ) -> None:
        """``poison``: the event that has a field which the template ``pt-logs`` does not take."""
        self.seed, self.events, self.beats = seed, events, beats
        self.poison = poison
        self._padding = padding
        self.acked_count = 0
        self._acked = bytearray(events)
        self._stored: Counter[int] = Counter()
        self._aside: Counter[int] = Counter()
        self._corrupt: list[int] = []
        self._invented: list[str] = []
        self._dead_lettered = self._failure_stored = 0

    # -- issuing -------------------------------------------------------------------------

    def numbers_of(self, beat: int) -> range:
        """The events that this Beat has to ship, in the order of its file."""
        return range(beat, self.events, self.beats)

    def render(self, numbers: Sequence[int], chance: random.Random, life: int = 0) -> list[bytes]:
        """Encode events as one send of Filebeat does: map order differs each time."""
        return [self._payload(number, chance, life) for number in numbers]

    def _payload(self, number: int, chance: random.Random, life: int) -> bytes:
        head, *rest = self.event(number, life=life).items()
        chance.shuffle(rest)
        return orjson.dumps(dict([head, *rest]))

    def event(self, number: int, *, life: int = 0) -> dict[str, Any]:
        """One event as Filebeat would send it; a later life read the line at another time."""
        read_at = START + timedelta(milliseconds=number + 250, seconds=life)
        beat = number % self.beats
        agent = f"agent-{self.seed}-{beat}"
        return {
            "@timestamp": read_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.17.3"},
            "message": self.message(number),
            "log": {
                "offset": number // self.beats * OFFSET_BYTES,
                "file": {"path": f"/var/log/pt/{beat}.log", "inode": f"{beat}", "device_id": "7"},
            },
            "service": self.service(number),
            **({"number": "none"} if number == self.poison else {}),
            "group": "pt",
            "input": {"type": "filestream"},
            "ecs": {"version": "8.0.0"},
            "host": _HOST,
            "agent": {
                "id": agent,
                "name": "app-01",
                "type": "filebeat",
                "version": "8.17.3",
                "ephemeral_id": f"{agent}-{life}",
            },
        }

    def service(self, number: int) -> str:
        return SERVICES[number % len(SERVICES)]

    def message(self, number: int) -> str:
        """A line with its number, and text that no other event has."""
        at = START + timedelta(milliseconds=number)
        proof = hashlib.blake2b(b"%d:%d" % (self.seed, number), digest_size=12).hexdigest()
        return (
            f"INFO|apps.parcels.views|{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
            f"|torture {self.seed} event {number} {proof} Zażółć gęślą jaźń{self._padding}"
        )

    # -- judging -------------------------------------------------------------------------

    def acked(self, numbers: Iterable[int]) -> None:
        """The server said that these are safe: from now on they are obligations."""
        for number in numbers:
            if not self._acked[number]:
                self._acked[number] = 1
                self.acked_count += 1

    def with_nothing_found(self) -> Oracle:
        """Another one with the obligations of this moment, for a look before the end."""
        other = Oracle(
            self.seed, self.events, beats=self.beats, padding=self._padding, poison=self.poison
        )
        other.acked(number for number in range(self.events) if self._acked[number])
        return other

    def examine(self, source: bytes) -> bytes:
        """Return the number of the event a document came from, or what is wrong with it.

        Short, so that a fake sink can keep it in place of the document.
        """
        try:
            found = orjson.loads(source)
            issued = _ISSUED.search(found["message"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            issued = None
        if issued is None or int(issued[1]) != self.seed or int(issued[2]) >= self.events:
            return b"invented " + source[:200]
        number = int(issued[2])
        wanted = self.event(number)
        is_intact = (
            found["message"] == wanted["message"]
            and found["service"] == wanted["service"]
            and found["log"] == wanted["log"]
            and found["agent"]["id"] == wanted["agent"]["id"]
            and found["host"] == wanted["host"]
        )
        return b"%d" % number if is_intact else b"corrupt %d" % number

    def found_stored(self, examined: bytes) -> None:
        """A sink holds a document; ``examined`` is what ``examine`` said of it."""
        number = self._number_of(examined)
        if number is not None:
            self._stored[number] += 1

    def found_dead_lettered(self, payload: bytes) -> None:
        """The dead letters hold this payload."""
        self._dead_lettered += 1
        self._found_aside(self.examine(payload))

    def found_failure_stored(self, examined: bytes) -> None:
        """Elasticsearch's failure store holds a document."""
        self._failure_stored += 1
        self._found_aside(examined)

    def _found_aside(self, examined: bytes) -> None:
        number = self._number_of(examined)
        if number is not None:
            self._aside[number] += 1

    def _number_of(self, examined: bytes) -> int | None:
        if examined.startswith(b"invented "):
            self._invented.append(examined.decode("utf-8", "replace"))
            return None
        if examined.startswith(b"corrupt "):
            number = int(examined.removeprefix(b"corrupt "))
            self._corrupt.append(number)
            return number
        return int(examined)

    def verdict(self) -> Verdict:
        """Compare obligations with what was found."""
        stored, aside = self._stored, self._aside
        places = stored + aside
        return Verdict(
            events=self.events,
            acked=self.acked_count,
            stored=sum(stored.values()),
            dead_lettered=self._dead_lettered,
            failure_stored=self._failure_stored,
            lost=[n for n in range(self.events) if self._acked[n] and not places[n]],
            doubled=[n for n, count in stored.items() if count > 1],
            corrupt=self._corrupt,
            invented=self._invented,
            twice_kept_aside=sum(places[n] - 1 for n in aside if places[n] > 1 and aside[n]),
        )
