"""What other rules would change: documents of the same events, made twice and compared. Pure."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ptingest.model.document import Document
from ptingest.model.outcome import Processed
from ptingest.tools.comparison import differences

DROPPED = "dropped"
KEY = "_id"


class Example(NamedTuple):
    """The first of the documents that differ in one field."""

    before: Any
    after: Any


class Changes:
    """Counts of what differs, by service."""

    def __init__(self) -> None:
        self.events = self.unchanged = 0
        self.fields: Counter[tuple[str, str]] = Counter()
        """(service, field) -> documents with another value."""
        self.examples: dict[tuple[str, str], Example] = {}
        self.fates: Counter[tuple[str, str, str]] = Counter()
        """(service, what became of an event, what would become of it) -> events."""

    def add(self, payloads: Sequence[bytes], before: Processed, after: Processed) -> None:
        """Compare what became of events; each payload is an object of its own."""
        old, new = _fates(before), _fates(after)
        for payload in payloads:
            self.events += 1
            left, right = old.get(id(payload), _NOTHING), new.get(id(payload), _NOTHING)
            service = left.service or right.service
            if left.told != right.told:
                self.fates[service, left.told, right.told] += 1
            elif not self._has_changes(service, left.documents, right.documents):
                self.unchanged += 1

    def _has_changes(
        self, service: str, before: Sequence[Document], after: Sequence[Document]
    ) -> bool:
        found = False
        for old, new in zip(before, after, strict=True):
            if old.key != new.key:
                found = self._note(service, KEY, old.key, new.key)
            if old.body != new.body:
                left, right = json.loads(old.body), json.loads(new.body)
                for path, was, becomes in differences(left, right, of_same_event=True):
                    found = self._note(service, path, was, becomes)
        return found

    def _note(self, service: str, path: str, before: Any, after: Any) -> bool:
        self.fields[service, path] += 1
        self.examples.setdefault((service, path), Example(before, after))
        return True


class _Fate(NamedTuple):
    service: str
    told: str
    documents: Sequence[Document]


_NOTHING = _Fate("", DROPPED, ())


def _fates(processed: Processed) -> Mapping[int, _Fate]:
    """What became of each payload, by its ``id``; one that was dropped has none."""
    found: dict[int, _Fate] = {}
    documents: dict[int, list[Document]] = defaultdict(list)
    for one in processed.documents:
        documents[id(one.payload)].append(one)
    for payload, some in documents.items():
        told = ", ".join(one.target.name for one in some)
        found[payload] = _Fate(some[0].service, told, some)
    for letter in processed.dead_letters:
        told = f"a dead letter ({letter.reason})"
        found[id(letter.payload)] = _Fate(letter.service, told, ())
    return found
