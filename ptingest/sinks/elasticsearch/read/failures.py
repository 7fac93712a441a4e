"""Reads and deletes the documents of failure stores, for the console, the CLI and a requeue.

Needs ``read_failure_store`` on the data streams, and ``read`` to know which documents they have
by now. Only deleting needs more: ``delete`` on the failure stores' own indices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any

from ptingest.errors import NoFailureStores, SinkUnavailable
from ptingest.model.failures import FailureDocument, FailureGroup, FailurePage
from ptingest.model.letters import LetterFilter
from ptingest.model.streams import StreamNames
from ptingest.settings.sinks import ClusterSettings
from ptingest.sinks.elasticsearch.answer import error_answer_of
from ptingest.sinks.elasticsearch.failure_documents import (
    FoundFailures,
    copies_body,
    deletion,
    is_chosen,
    newest_body,
    one_body,
    read_failures,
    stored_body,
    with_key_body,
    without_key_body,
)
from ptingest.sinks.elasticsearch.inspection import ROOT, object_in, version_in
from ptingest.sinks.elasticsearch.read.questions import FAILURES, GRACE_SECONDS, Questions
from ptingest.sinks.elasticsearch.templates import is_failure_store_known

MOST_LISTED = 10_000
"""The newest documents that a list reads, unless told otherwise."""
ERRORS_AT_ONCE = 1_000
DOCUMENTS_AT_ONCE = 200
"""Whole documents in one answer; each has a stack trace as well."""
COPIES_AT_ONCE = 1_000
SECONDS = 30.0


class FailureReader:
    """The failure stores of the data streams of one cluster."""

    def __init__(
        self,
        settings: ClusterSettings,
        *,
        streams: Callable[[], StreamNames],
        seconds: float = SECONDS,
    ) -> None:
        """``streams`` gives the data streams of the profile in force; ``seconds`` is how long
        each answer may take."""
        self._failures = Questions(settings, streams, readable=FAILURES)
        self._stored = Questions(settings, streams, client=self._failures.client)
        self._seconds = seconds
        self._has_stores = False

    async def close(self) -> None:
        """Close the connections."""
        await self._failures.client.close()

    async def refuse_without_rights(self) -> None:
        """Say so where a search would find nothing since there is no failure store, or since the
        user may not read.

        Raises:
            NoFailureStores: this version has none.
            SinkUnavailable: ``read_failure_store`` or ``read`` is missing.
        """
        await self._refuse_without_stores()
        await self._failures.refuse_without_read()
        await self._stored.refuse_without_read()

    async def _refuse_without_stores(self) -> None:
        """An older version takes the name of a failure store for another one."""
        if self._has_stores:
            return
        client, seconds = self._failures.client, self._seconds + GRACE_SECONDS
        version = version_in(await client.request("GET", ROOT, seconds=seconds))
        if version and not is_failure_store_known(version):
            raise NoFailureStores(
                sink=self._failures.sink,
                cause=f"Elasticsearch {version} has no failure stores (8.19, 9.1 and newer have)",
            )
        self._has_stores = bool(version)

    async def look(
        self, choice: LetterFilter, *, with_requeued: bool = False, most: int = MOST_LISTED
    ) -> FailurePage:
        """Group the newest documents, at most ``most``, by data stream and reason.

        A document that failed more than once is counted once. Those that their data stream has
        by now are left out, unless ``with_requeued``.

        Raises:
            NoFailureStores: this version has none.
            SinkUnavailable: no answer, or the user may not read.
        """
        await self.refuse_without_rights()
        groups: dict[tuple[str, str], FailureGroup] = {}
        keys: set[str] = set()
        seen = read = requeued = total = 0
        async for page in self._pages(newest_body(choice), ERRORS_AT_ONCE):
            read, total = read + len(page.places), page.total
            fresh: dict[str, FailureDocument] = {}
            for one in page.failures:
                if one.own_key not in keys and is_chosen(one, choice):
                    fresh.setdefault(one.own_key, one)
            keys |= fresh.keys()
            there = set[str]() if with_requeued else await self.stored(fresh)
            for key, failure in fresh.items():
                if key not in there:
                    _count(groups, failure)
            requeued += len(there)
            seen += len(fresh) - len(there)
            if read >= most:
                break
        kinds = sorted(groups.values(), key=lambda group: -group.documents)
        return FailurePage(kinds, seen, requeued, max(0, total - read))

    async def find(self, failure_id: str) -> FailureDocument | None:
        """Return one document whole.

        Raises:
            SinkUnavailable: no answer, no failure stores, or the user may not read.
        """
        await self._refuse_without_stores()
        await self._failures.refuse_without_read()
        found = await self._search_failures(one_body(failure_id), 1)
        return found.failures[0] if found.failures else None

    async def chosen(self, choice: LetterFilter) -> AsyncIterator[list[FailureDocument]]:
        """Yield whole documents, each key once, however often it failed.

        Raises:
            SinkUnavailable: no answer.
        """
        after: str | None = None
        while True:
            body = with_key_body(choice, DOCUMENTS_AT_ONCE, after)
            page = await self._search_failures(body, DOCUMENTS_AT_ONCE)
            yield [one for one in page.failures if is_chosen(one, choice)]
            if page.last is None:
                break
            after = page.last[0]
        # Those that failed before they were given an id.
        async for page in self._pages(without_key_body(choice), DOCUMENTS_AT_ONCE):
            yield [one for one in page.failures if is_chosen(one, choice)]

    async def _pages(self, search: dict[str, Any], size: int) -> AsyncIterator[FoundFailures]:
        """Yield the answers to a search in one snapshot, page by page."""
        async with self._failures.snapshot(seconds=self._seconds) as held:
            last = None
            while True:
                body = {
                    **search,
                    "size": size,
                    "pit": {"id": held.id, "keep_alive": held.keep_alive},
                }
                body |= {} if last is None else {"search_after": last}
                page = await self._search("/_search", body, size, self._failures)
                held.id = page.snapshot or held.id
                yield page
                last = page.last
                if last is None:
                    return

    async def stored(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys under which a data stream has a document.

        Raises:
            SinkUnavailable: no answer.
        """
        if not keys:
            return set()
        body = stored_body(sorted(set(keys)))
        found = await self._search(f"{self._stored.target}/_search", body, len(keys), self._stored)
        return {place.id for place in found.places}.intersection(keys)

    async def delete(self, failures: Sequence[FailureDocument]) -> int:
        """Delete documents with all their copies, and return how many were deleted.

        Raises:
            SinkUnavailable: no answer, or the user may not delete them.
        """
        places = {(one.store_index, one.id) for one in failures}
        keys = [one.key for one in failures if one.key is not None]
        if keys:
            found = await self._search_failures(copies_body(keys, COPIES_AT_ONCE), COPIES_AT_ONCE)
            places |= {(place.index, place.id) for place in found.places}
        client, seconds = self._failures.client, self._seconds + GRACE_SECONDS
        answer = await client.request(
            "POST", "/_bulk", deletion(sorted(places)), is_ndjson=True, seconds=seconds
        )
        items = object_in(answer).get("items")
        if answer.status != 200 or not isinstance(items, list):
            reason = answer.failure or error_answer_of(answer.body).reason
            raise SinkUnavailable(sink=self._failures.sink, cause=f"{reason}; {_MAY_NOT_DELETE}")
        for item in items:
            deleted = item.get("delete") or {}
            if deleted.get("status") not in (200, 404):
                refusal = (deleted.get("error") or {}).get("reason") or str(deleted)
                raise SinkUnavailable(
                    sink=self._failures.sink, cause=f"{refusal}; {_MAY_NOT_DELETE}"
                )
        return len(items)

    async def _search_failures(self, body: dict[str, Any], size: int) -> FoundFailures:
        return await self._search(f"{self._failures.target}/_search", body, size, self._failures)

    async def _search(
        self, target: str, body: dict[str, Any], size: int, questions: Questions
    ) -> FoundFailures:
        # A part of an answer would look like a document that is not there.
        whole = f"{target}?allow_partial_search_results=false"
        answer = await questions.ask(
            "POST", whole, body, seconds=self._seconds, waits_for_shards=True
        )
        found = read_failures(answer.body, size=size)
        if found is None:
            cause = "the answer to a search of failure stores is not the JSON expected"
            raise SinkUnavailable(sink=self._failures.sink, cause=cause)
        return found


_MAY_NOT_DELETE = (
    "the failure stores keep these documents: `ptingest setup --only role --failures purge` grants "
    "`delete` on their indices (.fs-*); read_failure_store and manage_failure_store do not"
)


def _count(groups: dict[tuple[str, str], FailureGroup], failure: FailureDocument) -> None:
    """Count a document; they come newest first."""
    kind = (failure.data_stream, failure.reason)
    group = groups.get(kind)
    if group is None:
        groups[kind] = FailureGroup(*kind, 1, failure.time, failure.time, failure)
    else:
        groups[kind] = group._replace(documents=group.documents + 1, oldest=failure.time)
