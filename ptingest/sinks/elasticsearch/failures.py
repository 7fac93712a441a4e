"""What Elasticsearch put into failure stores instead of data streams, and why.

A bulk says `201, failure_store: used` for such a document and nothing more: it is safe, and
nobody who looks at its data stream finds it. The reason stands in the failure store alone,
searchable a second later for who has `read_failure_store`.

    took(documents) --- counted by data stream ---> a moment later: one line in the log,
                                                    then one for what came since, at intervals
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from urllib.parse import quote

import msgspec

from ptingest.model.contracts import Clock
from ptingest.model.document import Document
from ptingest.sinks.elasticsearch.answer import UNREADABLE, Answer, Requester

log = logging.getLogger(__name__)

TOLD_SECONDS = 60.0
"""A data stream is told of at most so often."""
REFRESH_SECONDS = 1.5
"""A document can be searched for a second after it was written."""
DENIED_SECONDS = 300.0
"""After a 403, how long not to ask again."""
MOST_STREAMS = 256
REASON_CHARACTERS = 300
_PREVIEW = " Preview of field's value"
"""From here an error quotes the event, which belongs neither into a log nor into `/status`."""
_QUESTION = b'{"size":1,"sort":[{"@timestamp":"desc"}],"_source":["error.type","error.message"]}'

_STREAM = attrgetter("data_stream")


@dataclass(slots=True)
class _Row:
    service: str
    last_at: float
    told_at: float = float("-inf")
    documents: int = 0
    untold: int = 0
    reason: str = ""


class FailureStores:
    """Those of one cluster, since the start."""

    def __init__(
        self, client: Requester, clock: Clock, *, refresh: float = REFRESH_SECONDS
    ) -> None:
        self._client, self._clock, self._refresh = client, clock, refresh
        self._rows: dict[str, _Row] = {}
        self._telling: asyncio.Task[None] | None = None
        self._denied_until = float("-inf")

    def took(self, documents: Sequence[Document]) -> None:
        """These went there; tells in a moment."""
        now = self._clock.monotonic()
        for data_stream, count in Counter(map(_STREAM, documents)).items():
            row = self._rows.pop(data_stream.name, None)
            if row is None:
                service = next(d.service for d in documents if d.data_stream == data_stream)
                row = _Row(service, now)
            # Put behind the others: the first is the one that is quiet for longest.
            self._rows[data_stream.name] = row
            row.documents += count
            row.untold += count
            row.last_at = now
        while len(self._rows) > MOST_STREAMS:
            del self._rows[next(iter(self._rows))]
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="tell of failure stores")

    def status(self) -> dict[str, object]:
        """Return the row of each data stream for ``/status``."""
        now = self._clock.monotonic()
        return {
            name: {
                "service": row.service,
                "documents": row.documents,
                "last_seconds_ago": round(now - row.last_at, 1),
                "reason": row.reason,
            }
            for name, row in self._rows.items()
        }

    async def close(self) -> None:
        """Ask no more, and tell what was not told yet."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        for name, row in self._rows.items():
            if row.untold:
                self._say(name, row)

    async def _tell(self) -> None:
        """Tell of each data stream when it is time, until all is told."""
        while untold := [row for row in self._rows.values() if row.untold]:
            now = self._clock.monotonic()
            due = min(row.told_at for row in untold) + TOLD_SECONDS
            await asyncio.sleep(max(self._refresh, due - now))
            now = self._clock.monotonic()
            for name, row in list(self._rows.items()):
                if row.untold and row.told_at + TOLD_SECONDS <= now:
                    row.reason = await self._ask(name) or row.reason
                    self._say(name, row)

    def _say(self, name: str, row: _Row) -> None:
        count, row.untold, row.told_at = row.untold, 0, self._clock.monotonic()
        log.warning(
            "elasticsearch: %d documents went to the failure store of %s, where nobody looks for "
            "them (%s). They are safe; look with GET %s::failures/_search, mend what is wrong, "
            "then reindex them from there",
            count,
            name,
            row.reason or "its reason may be read with read_failure_store on logs-*-pt",
            name,
        )

    async def _ask(self, name: str) -> str:
        """Return the newest reason; nothing where it may not be read, or is not there yet."""
        if self._clock.monotonic() < self._denied_until:
            return ""
        target = f"/{quote(name, safe='')}::failures/_search?filter_path=hits.hits._source.error"
        answer = await self._client.request("POST", target, _QUESTION)
        if answer.status in (401, 403):
            self._denied_until = self._clock.monotonic() + DENIED_SECONDS
        return _reason(answer)


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Source(msgspec.Struct):
    error: _Error


class _Hit(msgspec.Struct):
    source: _Source = msgspec.field(name="_source")


class _Hits(msgspec.Struct):
    hits: list[_Hit]


class _Found(msgspec.Struct):
    hits: _Hits


_read_found = msgspec.json.Decoder(_Found).decode


def _reason(answer: Answer) -> str:
    if answer.status != 200 or not answer.is_from_elasticsearch:
        return ""
    try:
        hits = _read_found(answer.body).hits.hits
    except UNREADABLE:
        return ""
    if not hits:
        return ""
    error = hits[0].source.error
    message = " ".join(error.message.partition(_PREVIEW)[0].split())
    text = f"{error.type}: {message}"[:REASON_CHARACTERS]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
