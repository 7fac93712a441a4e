"""Sends the questions of a reader to a cluster, each with a time limit, and says in words why
there is no answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from ptingest.errors import SinkUnavailable
from ptingest.model.streams import StreamNames
from ptingest.settings.sinks import ClusterSettings
from ptingest.sinks.elasticsearch.answer import (
    Answer,
    cure_of_something_else,
    error_answer_of,
    something_else,
)
from ptingest.sinks.elasticsearch.client import ElasticsearchClient
from ptingest.sinks.elasticsearch.inspection import READ, object_in
from ptingest.sinks.elasticsearch.names import ROLE, USER
from ptingest.sinks.elasticsearch.read.hits import SearchAnswer, read_search
from ptingest.sinks.elasticsearch.read.mapping import FieldMapping, read_field_caps

GRACE_SECONDS = 5.0
"""How much longer than its own limit an answer may take; a cluster checks its clock now and then
only."""
MAPPINGS_SECONDS = 30.0
"""How long what is known of fields is used."""
SHARD_SECONDS = 0.25
"""Between two questions to shards that are being made."""
SNAPSHOT_MINUTES = 2
"""How long the cluster keeps a snapshot between two pages of a file."""


@dataclass(slots=True)
class Snapshot:
    """One moment of the data streams, held by the cluster."""

    id: str
    """The last one that was given; it may change with each answer."""
    keep_alive: str
    ties: tuple[str, ...] = ("_shard_doc",)
    """What decides between equal values of a sort in it."""


class Readable(NamedTuple):
    """What is read of data streams: what its name is, which privilege that needs, and who grants
    it."""

    name: str
    selector: str
    """Behind each name of a data stream."""
    privilege: str
    command: str


DOCUMENTS = Readable("", "", READ, "ptingest setup --only role")
FAILURES = Readable(
    "the failure stores of ",
    "::failures",
    "read_failure_store",
    "ptingest setup --only role --failures read",
)


class TooLarge(SinkUnavailable):
    """The answer was longer than what may be read; ask for fewer documents."""


class Questions:
    """Questions about the documents of some data streams."""

    def __init__(
        self,
        settings: ClusterSettings,
        streams: Callable[[], StreamNames],
        *,
        readable: Readable = DOCUMENTS,
        client: ElasticsearchClient | None = None,
    ) -> None:
        self.client = client or ElasticsearchClient(settings)
        self.dialect = self.client.dialect
        self.sink = self.dialect.name
        self._readable = readable
        self._user = settings.username or ("the api_key" if self.dialect.api_keys else "nobody")
        self._streams = streams
        self._names: list[str] = []
        self._mappings: dict[str, FieldMapping] = {}
        self._indices: list[str] = []
        self._mappings_at = float("-inf")

    @property
    def target(self) -> str:
        """The path of what is read: the patterns of the data streams."""
        selector = self._readable.selector
        return "/" + ",".join(quote(one, safe="*-") + selector for one in self._streams().patterns)

    async def search(self, body: dict[str, Any], *, seconds: float) -> SearchAnswer:
        """Return the answer to a search; where time is up for the cluster, a part of it.

        A search in a snapshot names no data streams: the snapshot is of them.

        Raises:
            SinkUnavailable: no answer.
        """
        limited = {"timeout": f"{max(1, round(seconds * 1000))}ms", **body}
        target = "/_search" if "pit" in body else f"{self.target}/_search"
        answer = await self.ask("POST", target, limited, seconds=seconds)
        return read_search(answer.body, sink=self.sink)

    async def searches(self, body: bytes, *, seconds: float) -> list[SearchAnswer]:
        """Return the answers to several searches, written as ``_msearch`` wants them."""
        answer = await self.client.request(
            "POST", "/_msearch", body, is_ndjson=True, seconds=seconds + GRACE_SECONDS
        )
        self._check(answer)
        rows = object_in(answer).get("responses")
        return [
            read_search(orjson.dumps(row), sink=self.sink)
            for row in (rows if isinstance(rows, list) else ())
        ]

    async def mappings(self) -> dict[str, FieldMapping]:
        """Return what is known of all fields; at most ``MAPPINGS_SECONDS`` old."""
        if time.monotonic() - self._mappings_at > MAPPINGS_SECONDS:
            await self._ask_for_fields()
        return self._mappings

    async def indices(self) -> list[str]:
        """Return the names of the indices that are read, as they are now."""
        await self._ask_for_fields()
        return self._indices

    async def _ask_for_fields(self) -> None:
        target = f"{self.target}/_field_caps?fields=*"
        found = object_in(await self.ask("POST", target, None, seconds=GRACE_SECONDS))
        self._mappings = read_field_caps(found)
        indices = found.get("indices")
        self._indices = [str(one) for one in indices] if isinstance(indices, list) else []
        self._mappings_at = time.monotonic()

    @asynccontextmanager
    async def snapshot(self, *, seconds: float) -> AsyncIterator[Snapshot]:
        """Hold one moment of the data streams (a point in time)."""
        keep, api = f"{SNAPSHOT_MINUTES}m", self.dialect.snapshot
        target = f"{self.target}/{api.opened_below}?keep_alive={keep}"
        answer = await self.ask("POST", target, None, seconds=seconds)
        held = Snapshot(str(object_in(answer).get(api.id_member, "")), keep, api.ties)
        try:
            yield held
        finally:
            # Where this fails the cluster lets go of it by itself, after `keep_alive`.
            ids = [held.id] if api.closes_several else held.id
            body = orjson.dumps({api.id_member: ids})
            await self.client.request("DELETE", api.closed_at, body, seconds=GRACE_SECONDS)

    async def refuse_without_read(self) -> None:
        """Say so where nothing is found since the user may not read.

        A search by pattern is no error then: Elasticsearch leaves out what may not be read.
        OpenSearch refuses such a search instead.

        Raises:
            SinkUnavailable: the user lacks ``read``, or what else is needed.
        """
        if self.dialect.rights is None:
            return
        names, wanted = list(self._streams().patterns), self._readable.privilege
        body = {"index": [{"names": names, "privileges": [wanted]}]}
        rights = await self.client.request(
            "POST", self.dialect.rights, orjson.dumps(body), seconds=GRACE_SECONDS
        )
        granted = object_in(rights).get("index") if rights.status == 200 else None
        rows = granted.values() if isinstance(granted, dict) else ()
        if any(isinstance(row, dict) and row.get(wanted) is False for row in rows):
            raise SinkUnavailable(sink=self.sink, cause=self._not_readable())

    async def ask(
        self,
        method: str,
        target: str,
        body: dict[str, Any] | None,
        *,
        seconds: float,
        waits_for_shards: bool = False,
    ) -> Answer:
        """Send one request and return its answer of status 200.

        ``waits_for_shards``: a 503 is asked again until ``seconds`` are over, since a shard that
        was just made, as by a rollover, cannot be searched for a moment.

        Raises:
            SinkUnavailable: any other answer, or none.
        """
        data = None if body is None else orjson.dumps(body)
        end = time.monotonic() + seconds
        while True:
            limit = seconds + GRACE_SECONDS
            answer = await self.client.request(method, target, data, seconds=limit)
            if answer.status != 503 or not waits_for_shards or time.monotonic() >= end:
                break
            await asyncio.sleep(SHARD_SECONDS)
        self._check(answer)
        return answer

    def _check(self, answer: Answer) -> None:
        if answer.too_large:
            raise TooLarge(sink=self.sink, cause=answer.failure)
        if answer.status == 200:
            return
        raise SinkUnavailable(sink=self.sink, cause=self._cause(answer))

    def _cause(self, answer: Answer) -> str:
        if answer.status is None or answer.is_redirect:
            return answer.failure
        title, place = self.dialect.title, self.dialect.place
        if not answer.is_from_cluster:
            return f"{something_else(answer)}: {cure_of_something_else(answer)}"
        if answer.status == 401:
            return (
                f"{title} does not take the login of {self._user} (401): the user is {USER}, "
                f"{ROLE} is its role; correct username and password under {place}"
            )
        reason = _reason(answer)
        if answer.status == 403:
            return f"{self._not_readable()}; {title} says: {reason}"
        return f"{title} answers {answer.status}: {reason}"

    def _not_readable(self) -> str:
        name, _, privilege, command = self._readable
        cure = (
            f"{self._user} may not read {name}{self._streams().joined}: grant `{privilege}` to its "
            f"role ({ROLE}), by `{command}`"
        )
        if self.dialect.api_keys is None:
            return cure
        return (
            f"{cure} or in Kibana (an api_key has the rights that it was made with: make a new "
            "one by `ptingest setup --api-key FILE`)"
        )


def _reason(answer: Answer) -> str:
    """Return the cluster's own words, those of the first cause where it names one."""
    error = object_in(answer).get("error")
    causes = error.get("root_cause") if isinstance(error, dict) else None
    for cause in causes if isinstance(causes, list) else ():
        if isinstance(cause, dict) and cause.get("reason"):
            return str(cause["reason"])
    found = error_answer_of(answer.body)
    return found.reason or found.type or "no reason was given"
