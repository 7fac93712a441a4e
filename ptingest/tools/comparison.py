"""Compares documents that Logstash made with those that ptingest would make of the same lines.

Documents belong together by file and offset, else by message; of several with the same message
the first belongs to the first. Not compared: ``agent`` (the events for `try` come from a
Filebeat of their own), and ``@timestamp`` where it is the time at which Filebeat read the line.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]

OF_THE_READER = ("agent",)
ABSENT = "(absent)"


@dataclass(slots=True)
class Comparison:
    """What differs, and how much was compared."""

    compared: int = 0
    only_theirs: int = 0
    """Documents of Logstash without a counterpart."""
    only_ours: int = 0
    """Documents of ours without one."""
    counts: dict[str, int] = field(default_factory=dict)
    """Field -> documents that have another value there."""
    examples: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Field -> (their value, our value) of the first of them."""

    @property
    def is_same(self) -> bool:
        """Whether something was compared and nothing differs."""
        return bool(self.compared) and not self.counts


def document_in(row: Mapping[str, Any]) -> Document | None:
    """Return the document in one line: of `try --json`, a hit of Elasticsearch, or as it is.

    None where `try` made none: the event is dropped, or becomes a dead letter.
    """
    if "outcome" in row and "document" in row:
        found = row["document"] if row["outcome"] == "indexed" else None
    else:
        found = row.get("_source", row)
    return found if isinstance(found, Mapping) else None


def compare(
    ours: Iterable[Document], theirs: Iterable[Document], *, of_same_events: bool = False
) -> Comparison:
    """Compare each document of theirs with its counterpart; ours are held in memory.

    ``of_same_events``: both were made of the very same events, so every field is compared.
    """
    waiting: dict[object, deque[Document]] = defaultdict(deque)
    for document in ours:
        waiting[_key_of(document)].append(document)
    result = Comparison()
    for document in theirs:
        mine = waiting.get(_key_of(document))
        if not mine:
            result.only_theirs += 1
            continue
        result.compared += 1
        for path, left, right in differences(
            document, mine.popleft(), of_same_event=of_same_events
        ):
            result.counts[path] = result.counts.get(path, 0) + 1
            result.examples.setdefault(path, (left, right))
    result.only_ours = sum(map(len, waiting.values()))
    return result


def _key_of(document: Document) -> object:
    """What tells a line from all others."""
    log = document.get("log")
    log = log if isinstance(log, Mapping) else {}
    file = log.get("file")
    path = file.get("path") if isinstance(file, Mapping) else None
    if path is not None and "offset" in log:
        return str(path), str(log["offset"])
    return str(document.get("message"))


def differences(
    theirs: Document, ours: Document, *, of_same_event: bool
) -> Iterator[tuple[str, Any, Any]]:
    """Yield each field whose value differs: its dotted path, their value, our value."""
    left = _comparable(theirs, of_same_event=of_same_event)
    right = _comparable(ours, of_same_event=of_same_event)
    for path in sorted(left.keys() | right.keys()):
        if _text(left.get(path, ABSENT)) != _text(right.get(path, ABSENT)):
            yield path, left.get(path, ABSENT), right.get(path, ABSENT)


def _text(value: Any) -> str:
    """One text for each value: 1 and 1.0 are two, since Elasticsearch maps them apart."""
    return json.dumps(value, sort_keys=True)


def _comparable(document: Document, *, of_same_event: bool) -> dict[str, Any]:
    """Return a document as dotted path -> value, without what is not compared."""
    if of_same_event:
        return dict(_leaves(document))
    kept = {name: value for name, value in document.items() if name not in OF_THE_READER}
    tags = document.get("tags") or ()
    if "log_timestamp" not in document or "_dateparsefailure" in tags:
        kept.pop("@timestamp", None)
    return dict(_leaves(kept))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and (value or not path):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value
