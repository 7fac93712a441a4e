"""Documents of failure stores on the pages of dead letters."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from multidict import MultiDict

from ptingest.api.console.dead_letters import kind_text
from ptingest.api.console.failure_stores import (
    FRESH_SECONDS,
    MOST_READ,
    NONE_SECONDS,
    SHOWN_CHARACTERS,
    FailureStores,
    document_values,
)
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.errors import NoFailureStores, SinkUnavailable
from ptingest.model.failures import FailureDocument, FailureGroup, FailurePage
from ptingest.model.letters import LetterFilter, LetterKind
from tests.api.console.test_dead_letters import (
    HOSTILE,
    SHOWN,
    FakeBrowser,
    form_key,
    row,
    text_of,
)
from tests.support.api import DeadLetterJobs
from tests.support.console import TOKEN, Served, console, log_in
from tests.support.failure_documents import RECORDED
from tests.support.failure_documents import failure as recorded
from tests.support.waiting import until

ID = RECORDED["_id"]
DOWN = SinkUnavailable(sink="elasticsearch", cause="no answer from http://es: refused")
NONE = NoFailureStores(sink="elasticsearch", cause="Elasticsearch 8.13.4 has no failure stores")


def failure(**changed: Any) -> FailureDocument:
    made = recorded()._replace(source=b'{"message":"GET /","service":"nginx","n":"bad"}')
    return made._replace(**changed)


class FakeReader:
    """Failure documents as a test wants them."""

    def __init__(self, *failures: FailureDocument) -> None:
        self.failures = list(failures)
        self.left_out = 0
        self.raises: SinkUnavailable | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.looks = 0
        self.most = 0
        self.is_closed = False

    async def look(self, choice: LetterFilter, *, most: int) -> FailurePage:
        assert choice.everything
        self.looks, self.most = self.looks + 1, most
        await self.may_answer.wait()
        if self.raises is not None:
            raise self.raises
        groups = [
            FailureGroup(one.data_stream, one.reason, 1200, one.time, one.time, one)
            for one in self.failures
        ]
        return FailurePage(groups, 1200 * len(groups), 0, self.left_out)

    async def find(self, failure_id: str) -> FailureDocument | None:
        if self.raises is not None:
            raise self.raises
        return next((one for one in self.failures if one.id == failure_id), None)

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def jobs() -> DeadLetterJobs:
    return DeadLetterJobs()


@asynccontextmanager
async def served_with(
    reader: FakeReader | None, jobs: DeadLetterJobs, token: str | None = None
) -> AsyncIterator[Served]:
    dependencies = ConsoleDependencies(
        letters=FakeBrowser([row(number) for number in range(60)]),
        failures=None if reader is None else lambda: reader,
    )
    async with console(dependencies=dependencies, jobs=jobs, token=token) as served:
        if token:
            await log_in(served)
        yield served


async def test_they_are_listed_beside_the_letters_by_reason_and_data_stream(
    jobs: DeadLetterJobs,
) -> None:
    reader = FakeReader(failure())
    reader.left_out = 3
    async with served_with(reader, jobs) as served:
        page = text_of(await served.read("/console/dead-letters"))

    assert (
        "document_parsing_exception: failed to parse field [n] of type [long] logs-nginx-pt 1,200 "
        "2026-11-29 20:46:06 GET / nginx"
    ) in page
    assert "1,200 documents that a search of their data stream does not find" in page
    assert "3 older ones were not read" in page
    assert "ptingest failures requeue --all" in page
    assert reader.most == MOST_READ
    assert reader.is_closed


async def test_with_nothing_in_them_it_says_so(jobs: DeadLetterJobs) -> None:
    async with served_with(FakeReader(), jobs) as served:
        assert "No document waits in a failure store" in await served.read("/console/dead-letters")


async def test_without_an_answer_or_the_privilege_it_says_why_and_the_letters_are_there(
    jobs: DeadLetterJobs,
) -> None:
    reader = FakeReader()
    reader.raises = DOWN
    async with served_with(reader, jobs) as served:
        page = text_of(await served.read("/console/dead-letters"))
        async with served.http.get(f"/console/dead-letters/failures/{ID}") as answer:
            one = await answer.text()

    assert "failure stores cannot be shown: no answer from http://es: refused." in page
    assert "mapper_parsing_exception" in page
    assert (answer.status, "refused" in one) == (503, True)


@pytest.mark.parametrize("has_elasticsearch", [True, False])
async def test_where_there_are_none_the_page_says_nothing_of_them(
    jobs: DeadLetterJobs, has_elasticsearch: bool
) -> None:
    reader = FakeReader()
    reader.raises = NONE
    async with served_with(reader if has_elasticsearch else None, jobs) as served:
        page = await served.read("/console/dead-letters")

    assert "failure store" not in page
    assert "mapper_parsing_exception" in page


async def test_nothing_is_requested_for_a_page_that_does_not_show_them(
    jobs: DeadLetterJobs,
) -> None:
    reader = FakeReader(failure())
    async with served_with(reader, jobs) as served:
        for path in (
            "",
            "dead-letters?page=2",
            "dead-letters?reason=refused",
            "dead-letters?reason=refused&stream=logs-django-pt",
            f"dead-letters/{row().id}",
        ):
            assert 'id="failures"' not in await served.read(f"/console/{path}")

    assert (reader.looks, reader.is_closed) == (0, False)


async def test_one_reading_serves_all_who_look_for_a_while() -> None:
    now = 100.0
    reader = FakeReader(failure())
    stores = FailureStores(lambda: reader, clock=lambda: now)

    looks = await asyncio.gather(*(stores.look() for _ in range(5)))
    assert (reader.looks, looks[0], looks[0] is looks[4]) == (1, await stores.look(), True)
    now += FRESH_SECONDS
    await stores.look()
    assert reader.looks == 2
    stores.forget()
    await stores.look()
    assert reader.looks == 3
    reader.raises = NONE
    now += FRESH_SECONDS
    assert await stores.look() is None
    now += NONE_SECONDS - 1
    assert (await stores.look(), reader.looks) == (None, 4)
    await stores.close()


async def test_a_slow_elasticsearch_does_not_hold_the_page_up(
    monkeypatch: pytest.MonkeyPatch, jobs: DeadLetterJobs
) -> None:
    monkeypatch.setattr("ptingest.api.console.failure_stores.PAGE_WAITS_SECONDS", 0.0)
    reader = FakeReader(failure())
    reader.may_answer.clear()
    async with served_with(reader, jobs) as served:
        early = await served.read("/console/dead-letters")
        reader.may_answer.set()
        while "1,200 documents" not in await served.read("/console/dead-letters"):
            pass

    assert "Elasticsearch has not answered yet what is in its failure stores" in early
    assert reader.looks == 1


async def test_a_reading_that_is_not_done_ends_with_the_server(jobs: DeadLetterJobs) -> None:
    reader = FakeReader(failure())
    reader.may_answer.clear()
    stores = FailureStores(lambda: reader)
    looking = asyncio.ensure_future(stores.look())
    await until(lambda: reader.looks == 1)

    await stores.close()

    assert await looking is not None
    assert reader.is_closed


async def test_one_document_is_shown_with_what_elasticsearch_said_and_the_command(
    jobs: DeadLetterJobs,
) -> None:
    async with served_with(FakeReader(failure()), jobs) as served:
        page = text_of(await served.read(f"/console/dead-letters/failures/{ID}"))
        async with served.http.get("/console/dead-letters/failures/other") as answer:
            assert answer.status == 404

    assert "document_parsing_exception [1:42] failed to parse field [n] of type [long]" in page
    assert "Preview of field&#39;s value: &#39;bad&#39;" in page
    assert "2026-11-29 20:46:06 UTC" in page
    assert f"ptingest failures requeue --id {ID}" in page
    assert "&#34;n&#34;: &#34;bad&#34;" in page
    assert "O8AOKaIBhPAaI2wn0jY2" in page


def test_a_huge_document_is_cut_and_the_rest_counted() -> None:
    source = json.dumps({"message": "x" * (SHOWN_CHARACTERS + 1500)}).encode()

    values = document_values(failure(source=source, time="never"))

    assert len(values["body"]) == SHOWN_CHARACTERS
    assert values["left_out"] > 1500
    assert values["time"] == "never"


async def test_whatever_a_failure_document_holds_is_text(jobs: DeadLetterJobs) -> None:
    source = json.dumps({"message": HOSTILE, "service": HOSTILE}).encode()
    hostile = failure(
        data_stream=HOSTILE, key=HOSTILE, kind=HOSTILE, message=HOSTILE, reason=HOSTILE,
        source=source, store_index=HOSTILE,
    )  # fmt: skip
    async with served_with(FakeReader(hostile), jobs, TOKEN) as served:
        pages = [
            await served.read("/console/dead-letters"),
            await served.read(f"/console/dead-letters/failures/{ID}"),
        ]

    for page in pages:
        assert "<script>" not in page
        assert "\u202e" not in page
        assert page.count(SHOWN) >= 5


@pytest.mark.parametrize(
    ("form", "choice"),
    [
        (
            {"only": kind_text(LetterKind("why", "logs-a-pt"))},
            LetterFilter(kinds=(LetterKind("why", "logs-a-pt"),)),
        ),
        ({"everything": "yes"}, LetterFilter(everything=True)),
        ({"id": ID}, LetterFilter(ids=(ID,))),
    ],
    ids=["one kind", "everything", "one document"],
)
async def test_with_the_token_they_are_requeued_by_the_job_of_the_command_line(
    jobs: DeadLetterJobs, form: dict[str, str], choice: LetterFilter
) -> None:
    reader = FakeReader(failure())
    async with served_with(reader, jobs, TOKEN) as served:
        key = form_key(await served.read(f"/console/dead-letters/failures/{ID}"))
        async with served.http.post(
            "/console/dead-letters/failures/requeue",
            data=MultiDict({**form, "form_key": key}),
            allow_redirects=False,
        ) as answer:
            assert answer.status == 303
        page = await served.read("/console/dead-letters")

    (order,) = jobs.orders
    assert (order.what, order.of, order.choice, order.deletes) == (
        "requeue", "failures", choice, False
    )  # fmt: skip
    assert 'action="/console/dead-letters/failures/requeue"' in page


async def test_without_the_token_or_a_choice_nothing_is_requeued(jobs: DeadLetterJobs) -> None:
    address = "/console/dead-letters/failures/requeue"
    reader = FakeReader(failure())
    async with served_with(reader, jobs) as served:
        page = await served.read("/console/dead-letters")
        async with served.http.post(address, data={"everything": "yes"}) as answer:
            assert answer.status == 403
    async with served_with(FakeReader(failure()), jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        async with served.http.post(address, data={"form_key": key}) as answer:
            assert answer.status == 400
            assert "No document was selected" in await answer.text()

    assert not re.search(r'<button[^>]*name="only"', page)
    assert jobs.orders == []
