"""What travels between the embedded store and whoever looks into it.

Times are the store's time text (UTC with milliseconds); a place is where a page ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

FACETS = ("service", "log_level", "stream", "app_module", "logger_name")
"""Fields whose values are counted beside every view."""


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at: a query in Kibana's language, and times as people write them
    (``15m``, ``now-1h``, ``2025-01-02``); None is without bound."""

    query: str = ""
    since: str | None = None
    until: str | None = None


class Hit(NamedTuple):
    """One document found; ``body`` is it as JSON, whole unless ``is_cut``."""

    id: int
    timestamp: str | None
    stored_at: str
    data_stream: str
    key: str | None
    body: str
    size: int = 0
    """Bytes of the whole body."""
    is_cut: bool = False
    """True when long texts in it were cut, and what comes after too much left out."""


class Page(NamedTuple):
    """Documents, newest first."""

    hits: list[Hit]
    next_place: str | None
    """Where the following page begins, None at the end."""
    looked_back_to: str | None
    """When time ran out before the page was full: how far back was looked."""


class Bar(NamedTuple):
    """One step of a histogram."""

    start: str
    end: str
    """The step's last millisecond."""
    levels: dict[str | None, int]
    """Documents by level, None for those without one."""


class Facet(NamedTuple):
    """The values of one field, most frequent first; a list counts for each element."""

    field: str
    values: list[tuple[str | None, int]]
    """None stands for documents without the field."""
    more: int
    """Further values that are not listed."""


class Counts(NamedTuple):
    """What a view holds."""

    documents: int
    is_whole: bool
    """False when time ran out: then every number is `at least`."""
    counted_back_to: str | None
    """Where counting stopped; older documents are counted in part or not at all."""
    step_seconds: int
    bars: list[Bar]
    timeless: int
    """Documents without a time, which are in no bar."""
    facets: list[Facet]


class Neighbours(NamedTuple):
    """What stands before and after a document, in order."""

    before: list[Hit]
    after: list[Hit]
    basis: str
    """``file`` where offsets in the same file tell the order, else ``time``."""


class Value(NamedTuple):
    """A value that a field has, and how many of the documents looked at have it."""

    text: str
    documents: int


class Tail(NamedTuple):
    """What was stored since one looked last, oldest first."""

    hits: list[Hit]
    last_id: int
    """Ask for what came after this one next."""
    is_cut: bool
    """True when older ones were left out: more came than are shown or looked at."""


class ExploreResult(NamedTuple):
    """A page of documents, what the view holds, and how long both took."""

    page: Page
    counts: Counts
    seconds: float
    is_empty: bool
    """True while nothing at all was stored."""
