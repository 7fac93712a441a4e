"""Questions to the embedded store and its answers, for the console and the CLI.

Times are the store's time text (UTC with milliseconds); a place marks where a page ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

FACETS = ("service", "log_level", "stream", "app_module", "logger_name")
"""Fields whose values are counted with every view."""


@dataclass(frozen=True, slots=True)
class View:
    """Which documents a view shows: a query in Kibana's language, and times as people write
    them (``15m``, ``now-1h``, ``2025-01-02``); None means no bound."""

    query: str = ""
    since: str | None = None
    until: str | None = None


class Hit(NamedTuple):
    """One document that was found; ``body`` is its JSON, complete unless ``is_cut``."""

    id: int
    timestamp: str | None
    stored_at: str
    data_stream: str
    key: str | None
    body: str
    size: int = 0
    """Bytes of the complete body."""
    is_cut: bool = False
    """True when long texts in it were cut, or when its end was left out."""


class Page(NamedTuple):
    """Documents, newest first."""

    hits: list[Hit]
    next_place: str | None
    """Where the next page begins, None at the end."""
    looked_back_to: str | None
    """When time ran out before the page was full: the time down to which documents were
    searched."""


class Bar(NamedTuple):
    """One bar of a histogram."""

    start: str
    end: str
    """The bar's last millisecond."""
    levels: dict[str | None, int]
    """Documents by level; None counts those without one."""


class Facet(NamedTuple):
    """The values of one field, most frequent first; a list counts once for each element."""

    field: str
    values: list[tuple[str | None, int]]
    """None counts the documents without the field."""
    more: int
    """Further values that are not listed."""


class Counts(NamedTuple):
    """Counts of the documents in a view."""

    documents: int
    is_whole: bool
    """False when time ran out: then every number is a lower bound."""
    counted_back_to: str | None
    """Where counting stopped; older documents are counted in part or not at all."""
    step_seconds: int
    bars: list[Bar]
    timeless: int
    """Documents without a time; no bar contains them."""
    facets: list[Facet]


class DocumentContext(NamedTuple):
    """The documents before and after a document, in order."""

    before: list[Hit]
    after: list[Hit]
    basis: str
    """``file`` when offsets in the same file give the order, else ``time``."""


class FieldValue(NamedTuple):
    """A value of a field, and how many of the examined documents have it."""

    text: str
    documents: int


class Tail(NamedTuple):
    """Documents that were stored since the last request, oldest first."""

    hits: list[Hit]
    last_id: int
    """The next request asks for documents after this one."""
    is_cut: bool
    """True when older ones were left out: more arrived than are shown or examined."""


class ExploreResult(NamedTuple):
    """A page of documents, the counts of the view, and how long both took."""

    page: Page
    counts: Counts
    seconds: float
    is_empty: bool
    """True as long as no document was ever stored."""
