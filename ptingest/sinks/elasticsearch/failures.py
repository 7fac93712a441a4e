"""What Elasticsearch put into failure stores instead of data streams, and why.

A bulk answers `201, failure_store: used` for such a document and nothing more: it is safe, but
a search of its data stream does not find it. Only the failure store has the reason, which
the privilege `read_failure_store` can search a second later.

    note(documents) --- counted by data stream ---> after a moment one log line for each,
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

from ptingest.model.contracts import Clock
from ptingest.model.document import Document
from ptingest.sinks.elasticsearch.answer import Answer, Requester
from ptingest.sinks.elasticsearch.failure_documents import read_failures

log = logging.getLogger(__name__)

LOG_SECONDS = 60.0
"""The shortest time between two log lines on one data stream."""
REFRESH_SECONDS = 1.5
"""A document can be searched for a second after it was written."""
DENIED_SECONDS = 300.0
"""How long no reason is requested after a 403."""
MOST_STREAMS = 256
_NEWEST = b'{"size":1,"sort":[{"@timestamp":"desc"}],"_source":["error.type","error.message"]}'

_TARGET = attrgetter("target")


@dataclass(slots=True)
class _FailedStream:
    service: str
    last_at: float
    logged_at: float = float("-inf")
    documents: int = 0
    unlogged: int = 0
    reason: str = ""


class FailureStores:
    """Documents in the failure stores of one cluster, since the start."""

    def __init__(
        self, client: Requester, clock: Clock, *, refresh: float = REFRESH_SECONDS
    ) -> None:
        self._client, self._clock, self._refresh = client, clock, refresh
        self._rows: dict[str, _FailedStream] = {}
        self._logging: asyncio.Task[None] | None = None
        self._denied_until = float("-inf")

    def note(self, documents: Sequence[Document]) -> None:
        """Count documents that went there; they are logged after a moment."""
        now = self._clock.monotonic()
        for target, count in Counter(map(_TARGET, documents)).items():
            row = self._rows.pop(target.name, None)
            if row is None:
                service = next(d.service for d in documents if d.target == target)
                row = _FailedStream(service, now)
            # Moved to the end: the first one is the one without documents for longest.
            self._rows[target.name] = row
            row.documents += count
            row.unlogged += count
            row.last_at = now
        while len(self._rows) > MOST_STREAMS:
            del self._rows[next(iter(self._rows))]
        if self._logging is None or self._logging.done():
            self._logging = asyncio.create_task(self._log_when_due(), name="log failure stores")

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
        """Request nothing more, and log what was not logged yet."""
        if self._logging is not None:
            self._logging.cancel()
            await asyncio.gather(self._logging, return_exceptions=True)
        for name, row in self._rows.items():
            if row.unlogged:
                self._log(name, row)

    async def _log_when_due(self) -> None:
        """Log each data stream when it is due, until all are logged."""
        while unlogged := [row for row in self._rows.values() if row.unlogged]:
            now = self._clock.monotonic()
            due = min(row.logged_at for row in unlogged) + LOG_SECONDS
            await asyncio.sleep(max(self._refresh, due - now))
            now = self._clock.monotonic()
            for name, row in list(self._rows.items()):
                if row.unlogged and row.logged_at + LOG_SECONDS <= now:
                    row.reason = await self._newest_reason(name) or row.reason
                    self._log(name, row)

    def _log(self, name: str, row: _FailedStream) -> None:
        count, row.unlogged, row.logged_at = row.unlogged, 0, self._clock.monotonic()
        log.warning(
            "elasticsearch: %d documents went to the failure store of %s, where searches of the "
            "data stream do not find them (%s). They are safe; look with GET "
            "%s::failures/_search or `ptingest failures list`, correct the cause, then "
            "`ptingest failures requeue`",
            count,
            name,
            row.reason or "its reason may be read with the privilege read_failure_store on it",
            name,
        )

    async def _newest_reason(self, name: str) -> str:
        """Return the newest reason; empty where it may not be read, or is not there yet."""
        if self._clock.monotonic() < self._denied_until:
            return ""
        target = f"/{quote(name, safe='')}::failures/_search?filter_path=hits.hits"
        answer = await self._client.request("POST", target, _NEWEST)
        if answer.status in (401, 403):
            self._denied_until = self._clock.monotonic() + DENIED_SECONDS
        return _reason(answer)


def _reason(answer: Answer) -> str:
    if answer.status != 200 or not answer.is_from_cluster:
        return ""
    found = read_failures(answer.body, size=1)
    return found.failures[0].reason if found is not None and found.failures else ""
