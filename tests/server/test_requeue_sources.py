"""Failure stores as a source of requeues; `tests/peers/test_failures.py` has real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
import pytest

from ptingest.errors import JobRefused, SinkUnavailable
from ptingest.model.document import DataStream, Document, Index
from ptingest.model.failures import FailureDocument
from ptingest.model.letters import LetterFilter, Order, Tally
from ptingest.model.outcome import WriteResult
from ptingest.server.requeue_sources import target_named
from tests.support.letters import EVERYTHING
from tests.support.raw_peer import event
from tests.support.serving import MemorySink, Server, serving


def failure(number: int) -> FailureDocument:
    return FailureDocument(
        id=f"f{number}",
        store_index=".fs-logs-django-pt-1",
        time="2026-11-29T20:46:06.786Z",
        data_stream="logs-django-pt",
        key=f"k{number}",
        kind="document_parsing_exception",
        message="m",
        reason="document_parsing_exception: m",
        source=event(f"INFO|root|2025-01-02T03:04:05Z|n{number}"),
        whole=b"{}",
    )


class Stores:
    """A reader of failure stores that has what it is given."""

    def __init__(self, *pages: list[FailureDocument], there: Sequence[str] = ()) -> None:
        self.pages, self.there = pages, set(there)
        self.refusal: SinkUnavailable | None = None
        self.may_not_delete: SinkUnavailable | None = None
        self.deleted: list[str] = []
        self.is_closed = False

    async def refuse_without_rights(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def chosen(self, choice: LetterFilter) -> AsyncIterator[list[FailureDocument]]:
        assert choice == EVERYTHING
        for page in self.pages:
            yield page

    async def stored(self, keys: Sequence[str]) -> set[str]:
        return self.there.intersection(keys)

    async def delete(self, failures: Sequence[FailureDocument]) -> int:
        if self.may_not_delete is not None:
            raise self.may_not_delete
        self.deleted += [one.id for one in failures]
        return len(failures)

    async def close(self) -> None:
        self.is_closed = True


class AgainFailing(MemorySink):
    """Puts every second document into its failure store again."""

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        self.documents += documents
        return WriteResult(failure_stored=[one for one in documents if one.key in ("k1", "k3")])


async def requeued(server: Server, stores: Stores, *, deletes: bool = False) -> Tally:
    jobs = server.worker.parts.jobs
    jobs._failures = lambda: stores
    jobs.begin(Order("requeue", EVERYTHING, of="failures", deletes=deletes))
    return await jobs.finish()


async def test_failure_documents_are_written_under_their_keys_and_stay(tmp_path: Path) -> None:
    stores = Stores([failure(1)], [], [failure(2), failure(3)])
    async with serving(tmp_path) as server:
        tally = await requeued(server, stores)

        assert (tally.chosen, tally.stored, tally.settled, tally.deleted) == (3, 3, 3, 0)
        assert server.sink.keys == {"k1", "k2", "k3"}
        assert {one.target.name for one in server.sink.documents} == {"logs-django-pt"}
        assert server.metric("ptingest_elasticsearch_requeued_failures_total", "stored") == 3
        assert set(server.residues()) == {0}
    assert stores.deleted == []
    assert stores.is_closed


async def test_what_a_data_stream_has_by_now_is_not_sent(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        tally = await requeued(server, Stores([failure(1), failure(2)], there=["k1"]))

        assert (tally.chosen, tally.stored, tally.already_stored) == (2, 1, 1)
        assert server.sink.keys == {"k2"}


async def test_a_purge_deletes_what_something_else_has_and_only_that(tmp_path: Path) -> None:
    stores = Stores([failure(number) for number in range(4)], there=["k0"])
    async with serving(tmp_path, sink=AgainFailing()) as server:
        tally = await requeued(server, stores, deletes=True)

        assert (tally.already_stored, tally.stored, tally.failure_stored) == (1, 1, 2)
        assert (tally.deleted, sorted(stores.deleted)) == (2, ["f0", "f2"])


async def test_what_a_rule_drops_today_is_never_deleted(tmp_path: Path) -> None:
    dropped = failure(1)._replace(source=event(group="crm"))
    stores = Stores([dropped])
    async with serving(tmp_path) as server:
        tally = await requeued(server, stores, deletes=True)

        assert (tally.dropped, tally.deleted, stores.deleted) == (1, 0, [])


async def test_a_purge_without_the_right_requeues_all_the_same_and_says_why(
    tmp_path: Path,
) -> None:
    stores = Stores([failure(1)], [failure(2)])
    stores.may_not_delete = SinkUnavailable(sink="elasticsearch", cause="no delete")
    async with serving(tmp_path) as server:
        tally = await requeued(server, stores, deletes=True)

        assert (tally.stored, tally.deleted) == (2, 0)
        assert tally.kept_because == "elasticsearch: no delete"


async def test_a_missing_right_to_read_ends_the_requeue_with_its_sentence(tmp_path: Path) -> None:
    stores = Stores([failure(1)])
    stores.refusal = SinkUnavailable(sink="elasticsearch", cause="may not read")
    async with serving(tmp_path) as server:
        tally = await requeued(server, stores)

        assert (tally.chosen, server.sink.documents) == (0, [])
        assert server.worker.parts.jobs.progress()["failed"] == "elasticsearch: may not read"
    assert stores.is_closed


async def test_without_elasticsearch_there_is_no_failure_store(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        with pytest.raises(JobRefused, match=r"no sinks\.elasticsearch"):
            server.worker.parts.jobs.begin(Order("requeue", EVERYTHING, of="failures"))


async def test_todays_rules_are_applied_to_the_event_that_was_sent(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        pipeline = server.worker.parts.processing.pipeline
        explained = pipeline.explain(failure(1).source, now_ns=0)
        done = failure(1)._replace(source=explained.body or b"")

        await requeued(server, Stores([done]))

        (document,) = server.sink.documents
        assert orjson.loads(document.body)["log_level"] == "INFO"
        assert orjson.loads(document.body) == explained.document


async def test_where_rules_cannot_be_undone_a_document_is_written_as_it_is(tmp_path: Path) -> None:
    rules = tmp_path / "logstash.conf"
    rules.write_text('filter { mutate { add_tag => ["once"] add_field => { "n" => "1" } } }\n')
    source = b'{"@timestamp":"2025-01-02T03:04:05.000Z","n":"1","tags":["once"]}'
    async with serving(tmp_path, profile=rules) as server:
        await requeued(server, Stores([failure(1)._replace(source=source)]))

        (document,) = server.sink.documents
        assert (document.body, document.key) == (source, "k1")
        assert document.target.name == "logs-django-pt"
        assert set(server.residues()) == {0}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("logs-django-pt", DataStream("logs", "django", "pt")),
        ("logs-a-b-pt", DataStream("logs", "a-b", "pt")),
        ("logs", Index("logs", action="create")),
        ("logs-pt", Index("logs-pt", action="create")),
    ],
)
def test_a_target_has_the_name_it_was_made_of(name: str, target: DataStream | Index) -> None:
    assert target_named(name) == target
    assert target_named(name).name == name
