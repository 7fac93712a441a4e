"""Every lie an Elasticsearch, or what stands before it, was seen to tell about a bulk.

A lie is a function of chance and the request that returns how the bulk is treated. A
``Liar`` tells some of them, each bulk by the fall of a seeded die; told alone or mixed, none
of them may lose or double an event.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.fakes.elasticsearch import GOOD, Reply, Request

REQUEST_SECONDS = 0.5
"""What the server under torture has for ``request_seconds``: later than this is too late."""
POISON_EVERY = 50
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

Lie = Callable[[random.Random, Request], Reply]

_NUMBER = re.compile(rb" event (\d+) ")
_BUSY_ITEM = {
    "status": 429,
    "error": {"type": "es_rejected_execution_exception", "reason": "queue is full"},
}
_UNAVAILABLE_ITEM = {
    "status": 503,
    "error": {"type": "unavailable_shards_exception", "reason": "primary shard is not active"},
}
_POISONED = {
    "status": 400,
    "error": {"type": "document_parsing_exception", "reason": "failed to parse field [n]"},
}
_REDIRECTED = {"status": 201, "failure_store": "used"}


def _some(chance: random.Random, request: Request, item: Mapping[str, Any]) -> Reply:
    count = len(request.actions)
    picked = chance.sample(range(count), k=chance.randint(1, count))
    return Reply(items=dict.fromkeys(picked, item))


def _of_numbers(
    item: Mapping[str, Any], *, remainder: int
) -> Callable[[bytes], Mapping[str, Any] | None]:
    """Treat every fiftieth event so, by its number: always the same ones."""

    def treat(source: bytes) -> Mapping[str, Any] | None:
        found = _NUMBER.search(source)
        is_one = found is not None and int(found[1]) % POISON_EVERY == remainder
        return item if is_one else None

    return treat


LIES: dict[str, Lie] = {
    "answer lost after storing": lambda chance, request: Reply(then="drop"),
    "connection lost before storing": lambda chance, request: Reply(stores=False, then="drop"),
    "answer late": lambda chance, request: Reply(delay_seconds=1.6 * REQUEST_SECONDS),
    "applied late": lambda chance, request: Reply(
        delay_seconds=1.6 * REQUEST_SECONDS, is_late=True
    ),
    "429 at once": lambda chance, request: Reply(status=429),
    "429 with Retry-After": lambda chance, request: Reply(status=429, headers={"retry-after": "1"}),
    "429 for some items": lambda chance, request: _some(chance, request, _BUSY_ITEM),
    "503": lambda chance, request: Reply(status=503),
    "503 for some items": lambda chance, request: _some(chance, request, _UNAVAILABLE_ITEM),
    "503 of a gateway, after storing": lambda chance, request: Reply(
        status=503, body=HTML, product=False, applies=True
    ),
    "413": lambda chance, request: Reply(status=413, product=False),
    "reset in mid-answer": lambda chance, request: Reply(then="reset"),
    "truncated JSON": lambda chance, request: Reply(then="cut"),
    "fewer items than actions": lambda chance, request: Reply(then="short"),
    "HTML with 200, after storing": lambda chance, request: Reply(body=HTML, product=False),
    "HTML with 502": lambda chance, request: Reply(status=502, body=HTML, product=False),
    "500": lambda chance, request: Reply(status=500),
    "401 for a moment": lambda chance, request: Reply(status=401),
    "failure store": lambda chance, request: Reply(refuses=_of_numbers(_REDIRECTED, remainder=7)),
    "poison among good": lambda chance, request: Reply(refuses=_of_numbers(_POISONED, remainder=8)),
}
PERMANENT = frozenset({"failure store", "poison among good"})
"""What is decided by the document: told in every bulk, mixed with whatever else is told."""


class Liar:
    """Decides for each bulk; ``share`` of them are lied about."""

    def __init__(self, chance: random.Random, lies: Sequence[str], *, share: float = 0.5) -> None:
        self._chance = chance
        self._lies = [name for name in lies if name not in PERMANENT]
        self._refuses = [LIES[name](chance, _NOBODY).refuses for name in lies if name in PERMANENT]
        self.share = share
        self.told: Counter[str] = Counter()

    def __call__(self, request: Request) -> Reply:
        if not self._lies or self._chance.random() >= self.share:
            return Reply(refuses=self._refuse) if self._refuses else GOOD
        name = self._chance.choice(self._lies)
        self.told[name] += 1
        return LIES[name](self._chance, request)

    def _refuse(self, source: bytes) -> Mapping[str, Any] | None:
        for refuses in self._refuses:
            if refuses is not None and (item := refuses(source)) is not None:
                return item
        return None


_NOBODY = Request("POST", "/_bulk", {}, {}, b"", 0)
