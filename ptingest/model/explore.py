"""Reading stored documents: what can be asked, what is answered, and who answers.

``DocumentReader`` is what the console and the CLI read through; each sink that can be read has
one. Times are time text (UTC with milliseconds); a place marks where a page ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

FACETS = (
    "service",
    "log_level",
    "stream",
    "app_module",
    "logger_name",
    "host.name",
    "log.file.path",
)
"""Fields whose values are counted with a view that names none itself."""
FACETS_MOST = 20


class Sort(NamedTuple):
    """The order of documents: by one field, those without it last."""

    field: str = "@timestamp"
    is_ascending: bool = False


NEWEST_FIRST, OLDEST_FIRST = Sort(), Sort(is_ascending=True)


@dataclass(frozen=True, slots=True)
class View:
    """Which documents a view shows, and how: a query in Kibana's language, and times as people
    write them (``15m``, ``now-1h``, ``2025-01-02``); None means no bound."""

    query: str = ""
    since: str | None = None
    until: str | None = None
    data_stream: str | None = None
    sort: Sort = NEWEST_FIRST
    facets: tuple[str, ...] = FACETS


class Hit(NamedTuple):
    """One document that was found; ``body`` is its JSON, complete unless ``is_cut``."""

    id: str
    """Names the document to the reader that found it."""
    timestamp: str | None
    stored_at: str | None
    """None where the sink does not keep it."""
    data_stream: str
    key: str | None
    body: str
    size: int = 0
    """Bytes of the complete body."""
    is_cut: bool = False
    """True when long texts in it were cut, or when its end was left out."""


class Page(NamedTuple):
    """Documents in the order of the view."""

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
    """Further values that are not listed; a sink may only estimate it."""
    among: int | None = None
    """The newest documents of the view that were counted, where that was not all of them."""


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
    position: str
    """The next request asks for documents stored after it."""
    is_cut: bool
    """True when older ones were left out: more arrived than are shown or examined."""


class ExploreResult(NamedTuple):
    """A page of documents, the counts of the view, and how long both took."""

    page: Page
    counts: Counts
    seconds: float
    is_empty: bool
    """True as long as no document was ever stored."""
    unknown_fields: Sequence[str] = ()
    """Fields that the view names and that, as far as the reader knows, no document has."""
    notes: Sequence[str] = ()
    """Sentences about what this answer lacks."""


class DocumentReader(Protocol):
    """Reads the documents of one sink; every question has a time limit.

    Raises, from every method:
        QueryInvalid: the query, a time, a place, a sort or a facet cannot be read.
        SinkUnavailable: no answer, and why; the cause says the cure where one is known.
    """

    name: str
    """The key under ``sinks:``."""
    title: str
    """What it reads, in words: ``the embedded store``."""
    hints: Sequence[str]
    """Sentences about what it finds and does otherwise than other readers."""
    tail_seconds: float
    """How long a live tail waits between two questions."""

    async def look(
        self, view: View, *, place: str | None, limit: int, is_patient: bool
    ) -> ExploreResult:
        """Return a page from ``place`` on and the counts of its view; ``is_patient``: the user
        chose to wait."""
        ...

    async def newest_time(self) -> str | None:
        """Return the time of the newest document, None where there is none with a time."""
        ...

    async def document(
        self, document_id: str, *, around: int
    ) -> tuple[Hit, DocumentContext] | None:
        """Return one document with its context, None when it is not there."""
        ...

    def whole(self, document_id: str) -> AsyncIterator[bytes]:
        """Yield one document as it is stored, in parts; raises DocumentMissing."""
        ...

    async def fields(self) -> list[str]:
        """Return the names of fields for completion."""
        ...

    async def values(self, field: str, *, beginning: str, limit: int) -> list[FieldValue]:
        """Return values of a field that begin with ``beginning``, most frequent first."""
        ...

    async def position(self) -> str:
        """Return where a live tail begins: after the document stored last."""
        ...

    async def tail(self, view: View, *, after: str, limit: int) -> Tail:
        """Return the newest ``limit`` documents stored after a position, oldest first; the
        view's times are not applied."""
        ...

    def export(self, view: View) -> AsyncIterator[list[Hit]]:
        """Yield all documents of the view in its order, in pages; large ones cut."""
        ...

    def search(self, view: View, *, limit: int | None = None) -> AsyncIterator[list[Hit]]:
        """Yield whole documents, oldest first, in lists; with ``limit`` the newest so many."""
        ...

    async def count(self, view: View) -> int:
        """Return how many documents match."""
        ...

    async def count_by(self, view: View, field: str) -> list[tuple[str | None, int]]:
        """Return each value of a field with its number of documents, most frequent first; a list
        counts once for each of its elements, None counts the documents without the field."""
        ...

    async def close(self) -> None:
        """Close connections; no question follows."""
        ...
