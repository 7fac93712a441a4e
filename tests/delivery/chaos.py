"""A sink that answers at random, and traffic to go with it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from ptingest.model.document import Document
from ptingest.model.outcome import WriteResult
from tests.delivery.running_lane import RunningLane
from tests.fakes.sink import CELERY, DJANGO, Answer, Write, fates, refuse


class Chaos:
    """Answers at random, after random times, and remembers what it did with each document."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.stored: dict[Document, int] = {}
        self.raised = 0
        self.is_calm = False
        self.bad_stream = self.random.choice([DJANGO, CELERY, None])

    async def __call__(self, write: Write) -> Answer:
        chance = self.random
        await asyncio.sleep(chance.choice([0, 0, 0.01, 0.3, 4]))  # no race: virtual time
        kinds = ["store", "mixed", "busy", "doubt", "large", "raise"]
        match "store" if self.is_calm else chance.choices(kinds, [3, 3, 1, 1, 1, 1])[0]:
            case "raise":
                self.raised += 1
                self._store(d for d in write.documents if chance.random() < 0.5)
                return ValueError("a bug in the sink")
            case "large" if len(write.documents) > 3:
                return WriteResult(too_large=True, busy=write.documents)
            case "busy":
                trouble = chance.choice([None, "no node answers"])
                after = chance.choice([None, 2.0])
                return WriteResult(busy=write.documents, trouble=trouble, retry_after_seconds=after)
            case "doubt":
                self._store(d for d in write.documents if chance.random() < 0.5)
                return WriteResult(doubtful=write.documents, trouble="no answer")
            case "mixed":
                return self._mixed(write)
        return self._rest_stored(write, {})

    def _mixed(self, write: Write) -> WriteResult:
        kinds = ["stored", "busy", "doubtful", "refused", "failure_stored"]
        weights = [10, 2, 1, 1, 1]
        chosen = {d: self.random.choices(kinds, weights)[0] for d in write.documents}
        return self._rest_stored(write, chosen)

    def _rest_stored(self, write: Write, chosen: dict[Document, str]) -> WriteResult:
        lists: dict[str, list[Document]] = {}
        for document in write.documents:
            kind = chosen.get(document, "stored")
            if document.target == self.bad_stream and not self.is_calm:
                kind = "stream_busy"
            elif kind == "stored" and document in self.stored:
                kind = "already_stored"
            lists.setdefault(kind, []).append(document)
        self._store(lists.get("stored", []))
        return WriteResult(
            already_stored=lists.get("already_stored", ()),
            failure_stored=lists.get("failure_stored", ()),
            refused=refuse(lists.get("refused", ())),
            busy=lists.get("busy", ()),
            doubtful=lists.get("doubtful", ()),
            stream_busy=refuse(lists.get("stream_busy", ()), "template_missing"),
        )

    def _store(self, documents: Any) -> None:
        for document in documents:
            self.stored[document] = self.stored.get(document, 0) + 1


async def send_at_random(r: RunningLane, chance: random.Random) -> None:
    """Put windows in parts, now and then failing one, as closing connections do."""
    for _ in range(30):
        window = r.window()
        for _ in range(chance.randint(1, 3)):
            stream = chance.choice([DJANGO, CELERY])
            await r.put(
                window.documents(chance.randint(1, 40), data_stream=stream, service=stream.dataset)
            )
        window.receipt.seal()
        if chance.random() < 0.5:
            r.lane.hint_idle()
        await asyncio.sleep(chance.choice([0, 0, 0.05, 1]))  # no race: virtual time
        if chance.random() < 0.2:
            chance.choice(r.windows).receipt.fail("the connection closed")
            r.lane.give_back()
        assert_books_balance(r)


def assert_books_balance(r: RunningLane) -> None:
    received = sum(window.expected for window in r.windows)
    settled = sum(fates(r.metrics).values())
    assert settled + sum(r.lane.status.outstanding_by_service().values()) == received
    assert settled + r.lane.outstanding == received
