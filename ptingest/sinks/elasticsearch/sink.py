"""Writes batches into data streams of a cluster; each document has its own outcome.

    write --- documents in doubt? ---> look them up by id ---> found: there
          --- the rest --------------> one bulk -------------> read_answer: stored, there, ...
          --- there already? --------> how far are its shards? ---> already stored, or unsynced

Never retries and never waits: whatever is not settled goes back to the lane as busy, doubtful
or unsynced. Needs ``create_doc`` and ``auto_configure`` on the streams and no privilege on the
cluster; ``read`` lets it look up documents in doubt, ``monitor`` ask how far a shard is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ptingest.model.contracts import Checkpoint, Clock
from ptingest.model.document import Document, Target
from ptingest.model.finding import Finding
from ptingest.model.outcome import Refusal, WriteResult
from ptingest.model.streams import StreamNames
from ptingest.settings.sinks import ClusterSettings
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.bulk import (
    bulk_pieces,
    bulk_target,
    is_data_stream,
    read_answer,
    targets_of,
)
from ptingest.sinks.elasticsearch.check import findings
from ptingest.sinks.elasticsearch.client import ElasticsearchClient
from ptingest.sinks.elasticsearch.created_streams import CreatedStreams, Lack
from ptingest.sinks.elasticsearch.doubts import (
    MGET_TARGET,
    MOST_LOOKUPS,
    Doubts,
    mget_body,
    read_mget,
)
from ptingest.sinks.elasticsearch.failures import FailureStores
from ptingest.sinks.elasticsearch.unsynced import (
    Place,
    ShardState,
    Unsynced,
    read_shards,
    shards_targets,
)
from ptingest.telemetry.metrics import Metrics

DENIED_SECONDS = 300.0
"""How long a question is not asked again after a 403 for it."""
SHARDS_SECONDS = 2.0
"""How long the state of shards is waited for: what the same bulk stored waits as well."""


class _LookedUp(NamedTuple):
    """What was found out about documents in doubt before a bulk."""

    found: Mapping[Document, Place] = {}
    """Those that are there, and where."""
    postponed: WriteResult | None = None
    """They could not be looked up: nothing was sent, all of the batch comes back."""
    is_answered: bool = False
    """Every doubt of the batch was resolved; what is missing was never stored."""


class ElasticsearchSink:
    """Implements ``Sink`` for one cluster, of Elasticsearch or of OpenSearch."""

    def __init__(
        self,
        settings: ClusterSettings,
        *,
        clock: Clock,
        metrics: Metrics,
        checkpoint: Checkpoint,
        streams: StreamNames,
        name: str = "elasticsearch",
    ) -> None:
        """``name`` is the key under ``sinks:`` or ``sinks.clusters:``; what kind of cluster it
        is, the settings say."""
        self.name = name
        self.streams = streams
        """What documents are written to; a reload of the profile changes it."""
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._keyed = settings.ids == "keyed"
        self._client = ElasticsearchClient(settings, checkpoint)
        self._dialect = self._client.dialect
        self._created: CreatedStreams | None = None
        if not self._dialect.requires_data_streams:
            self._created = CreatedStreams(self._client)
        self._doubts = Doubts()
        self._unsynced = Unsynced()
        self._failures = FailureStores(self._client, clock)
        self._denied_until: dict[str, float] = {}
        self._counted_bytes = 0

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        """Write one batch with one bulk, after looking up those in doubt."""
        began = self._clock.monotonic()
        looked_up = await self._look_up(documents)
        if looked_up.postponed is not None:
            return looked_up.postponed
        rest = [d for d in documents if d not in looked_up.found] if looked_up.found else documents
        self._unsynced.saw(looked_up.found, self._clock.monotonic())
        try:
            result = await self._attempt(rest) if rest else WriteResult()
            if result.too_large or result.unreadable:
                # Nothing was stored and all of it comes back, in halves: those found as well.
                return replace(result, busy=documents)
            result = await self._part_unsynced(result, looked_up.found, began)
        except BaseException:
            # Cancelled during a request: what was sent may be stored all the same.
            self._doubts.arose(rest if self._keyed else ())
            raise
        if not looked_up.is_answered:
            self._count_possible_duplicates(rest, doubtful, result)
        self._remember(documents, looked_up, result)
        return result

    async def check(self) -> Sequence[Finding]:
        """Check login, rights and template; what may not be read is not a failure."""
        return await findings(self._client, self.streams)

    def failures(self) -> dict[str, object]:
        """Return what went to failure stores, by data stream."""
        return self._failures.status()

    async def close(self) -> None:
        """Close the connections."""
        await self._failures.close()
        await self._client.close()

    async def _attempt(self, documents: Sequence[Document]) -> WriteResult:
        targets = targets_of(documents)
        if self._created is not None:
            lacking = await self._created.lacking(targets)
            if isinstance(lacking, Answer):
                return _not_sent(read_answer(documents, lacking, keyed=self._keyed).result)
            if lacking:
                return await self._attempt_others(documents, lacking)
        return await self._bulk(documents, targets)

    async def _attempt_others(
        self, documents: Sequence[Document], lacking: Mapping[str, Lack]
    ) -> WriteResult:
        """Write what has a data stream; the others wait for theirs."""
        waiting = [
            Refusal(document, *lacking[document.target.name])
            for document in documents
            if document.target.name in lacking
        ]
        rest = [document for document in documents if document.target.name not in lacking]
        result = await self._bulk(rest, targets_of(rest)) if rest else WriteResult()
        if result.too_large or result.unreadable:
            return replace(result, busy=documents)
        return replace(result, stream_busy=[*waiting, *result.stream_busy])

    async def _bulk(self, documents: Sequence[Document], targets: Sequence[Target]) -> WriteResult:
        only_data_streams = all(map(is_data_stream, targets))
        target = bulk_target(
            shard_seconds=self._settings.shard_seconds,
            with_index=len(self._doubts) > 0
            or self._doubts.is_stale(targets, self._clock.monotonic()),
            only_data_streams=only_data_streams,
            dialect=self._dialect,
        )
        body = bulk_pieces(
            documents,
            keyed=self._keyed,
            only_data_streams=only_data_streams,
            dialect=self._dialect,
        )
        answer = await self._client.request("POST", target, body, is_ndjson=True)
        self._count_request(answer)
        outcome = read_answer(documents, answer, keyed=self._keyed)
        now = self._clock.monotonic()
        self._doubts.saw(outcome.write_indices, now)
        self._unsynced.saw(outcome.there, now)
        if outcome.result.failure_stored:
            self._failures.note(outcome.result.failure_stored)
        return replace(outcome.result, said=answer.failure or f"HTTP {answer.status}")

    async def _part_unsynced(
        self, result: WriteResult, found: Iterable[Document], asked_at: float
    ) -> WriteResult:
        """Part what is there already into what is safe and what may not be."""
        there = [*found, *result.already_stored]
        if not there:
            return result
        shards = await self._ask_shards(self._unsynced.indices(there))
        safe, unsynced = self._unsynced.take_safe(there, shards, asked_at)
        # Looked up next time, since after a rollover they would be stored again.
        self._doubts.arose_in(self._unsynced.places(unsynced))
        return replace(result, already_stored=safe, unsynced=unsynced)

    async def _ask_shards(self, indices: Sequence[str]) -> Mapping[Place, ShardState]:
        states: dict[Place, ShardState] = {}
        for target in shards_targets(indices):
            if self._is_denied("shards"):
                break
            answer = await self._client.request("GET", target, seconds=SHARDS_SECONDS)
            if answer.status is None:
                break
            if answer.status == 403:
                self._deny("shards")
            states.update(read_shards(answer))
        return states

    def _is_denied(self, question: str) -> bool:
        return self._clock.monotonic() < self._denied_until.get(question, -math.inf)

    def _deny(self, question: str) -> None:
        self._denied_until[question] = self._clock.monotonic() + DENIED_SECONDS

    def _remember(
        self, documents: Sequence[Document], looked_up: _LookedUp, result: WriteResult
    ) -> None:
        """Forget doubts that are resolved, and remember new ones."""
        self._unsynced.over(documents, but=set(result.unsynced))
        if len(self._doubts) > 0:
            still_open = {*result.doubtful, *result.unsynced}
            if not looked_up.is_answered:
                still_open.update(result.busy)
                for refusals in (result.stream_busy, result.failing):
                    still_open.update(refusal.document for refusal in refusals)
            self._doubts.over(d for d in documents if d not in still_open)
        if self._keyed:
            self._doubts.arose(result.doubtful)

    def _count_request(self, answer: Answer) -> None:
        sent = self._client.sent_bytes
        self._metrics.add("ptingest_elasticsearch_sent_bytes_total", sent - self._counted_bytes)
        self._counted_bytes = sent
        self._metrics.add("ptingest_elasticsearch_answers_total", 1, str(answer.status or "none"))

    async def _look_up(self, documents: Sequence[Document]) -> _LookedUp:
        lookups = self._doubts.lookups(documents)
        if not lookups or self._is_denied("documents"):
            return _LookedUp()
        found: dict[Document, Place] = {}
        for start in range(0, len(lookups), MOST_LOOKUPS):
            part = lookups[start : start + MOST_LOOKUPS]
            answer = await self._client.request("POST", MGET_TARGET, mget_body(part))
            looked_up = read_mget(part, answer)
            if looked_up.is_denied:
                self._deny("documents")
                return _LookedUp(found)
            if not looked_up.is_whole:
                return _LookedUp(postponed=self._postponed(documents, answer))
            found.update(looked_up.found)
        asked = len({lookup.document for lookup in lookups})
        for outcome, count in (("found", len(found)), ("missing", asked - len(found))):
            self._metrics.add("ptingest_elasticsearch_asked_documents_total", count, outcome)
        return _LookedUp(found, is_answered=True)

    def _postponed(self, documents: Sequence[Document], answer: Answer) -> WriteResult:
        in_doubt = [d for d in documents if self._doubts.indices(d)]
        why = read_answer(in_doubt, answer, keyed=self._keyed).result
        return WriteResult(
            busy=[d for d in documents if not self._doubts.indices(d)],
            doubtful=in_doubt,
            retry_after_seconds=why.retry_after_seconds,
            trouble=why.trouble
            or f"{self._dialect.title} could not say whether documents with a lost answer are "
            "stored; they wait and are asked for again",
        )

    def _count_possible_duplicates(
        self, sent: Sequence[Document], doubtful: frozenset[Document], result: WriteResult
    ) -> None:
        """Count documents stored now that an earlier attempt may have stored elsewhere."""
        if not doubtful and len(self._doubts) == 0:
            return
        not_stored = set(_not_stored(result))
        count = 0
        for document in sent:
            if document in not_stored:
                continue
            if indices := self._doubts.indices(document):
                # The same write index would have said 409.
                target = document.target
                count += (self._doubts.write_index(target) or target.name) not in indices
            elif document in doubtful:
                count += document.key is None or not self._keyed
        self._metrics.add("ptingest_elasticsearch_possible_double_documents_total", count)


def _not_sent(result: WriteResult) -> WriteResult:
    """What an answer means to documents that were not part of the request: they wait."""
    return replace(result, busy=[*result.busy, *result.doubtful], doubtful=())


def _not_stored(result: WriteResult) -> Iterable[Document]:
    """Yield every document that this attempt did not store now."""
    for documents in (result.already_stored, result.unsynced):
        yield from documents
    for documents in (result.failure_stored, result.dropped, result.busy, result.doubtful):
        yield from documents
    for refusals in (result.refused, result.stream_busy, result.failing):
        yield from (refusal.document for refusal in refusals)
