"""The pages of dead letters."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from multidict import MultiDict

from ptingest.api.console.dead_letters import (
    SHOWN_CHARACTERS,
    choice_of,
    fields_of,
    kind_text,
    progress_of,
    shown_choice,
)
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.model.letters import (
    LetterFilter,
    LetterGroup,
    LetterKind,
    LetterPage,
    LetterRow,
    WholeLetter,
)
from tests.support.api import DeadLetterJobs
from tests.support.console import TOKEN, Served, console, log_in

ID = "01JB2QXEZ3T8V5N7K4M9P6R1S0"
HOSTILE = "</textarea><script>alert(1)</script>\u202e"
SHOWN = "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩"
A, B = '["a", "s"]', '["b", null]'
NOW = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def row(number: int = 0, **changed: Any) -> LetterRow:
    made = LetterRow(
        id=f"{ID[:-2]}{number:02d}", time="2025-01-02T03:04:05.678Z", reason="refused",
        detail="mapper_parsing_exception", service="django", message="hello",
        data_stream="logs-django-pt", peer="192.0.2.1:5000", size=1234,
    )  # fmt: skip
    return made._replace(**changed)


@dataclass
class FakeBrowser:
    """Letters as a test wants them."""

    rows: list[LetterRow] = field(default_factory=list)
    payload: bytes = b'{"message":"hello"}'
    asked: LetterFilter | None = None
    is_cut: bool = False

    async def look(self, choice: LetterFilter) -> LetterPage:
        self.asked = choice
        groups = [
            LetterGroup(LetterKind(one.reason, one.data_stream), 1, one.time, one.time, one)
            for one in self.rows[:1]
        ]
        return LetterPage(groups, len(self.rows), len(self.rows), self.rows, self.is_cut)

    async def find(self, letter_id: str) -> WholeLetter | None:
        found = next((one for one in self.rows if one.id == letter_id), None)
        return None if found is None else WholeLetter(found, None, self.payload)

    def forget(self) -> None: ...


@pytest.fixture
def browser() -> FakeBrowser:
    return FakeBrowser([row()])


@pytest.fixture
def jobs() -> DeadLetterJobs:
    return DeadLetterJobs()


@asynccontextmanager
async def letters(
    browser: FakeBrowser, jobs: DeadLetterJobs, token: str | None = None
) -> AsyncIterator[Served]:
    async with console(
        dependencies=ConsoleDependencies(letters=browser), jobs=jobs, token=token
    ) as served:
        if token:
            await log_in(served)
        yield served


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def form_key(page: str) -> str:
    found = re.search(r'name="form_key" value="([^"]+)"', page)
    assert found is not None
    return found[1]


async def test_letters_are_listed_with_what_was_said(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    async with letters(browser, jobs) as served:
        page = text_of(await served.read("/console/dead-letters"))

    assert "refused logs-django-pt 1 2025-01-02 03:04:05 hello mapper_parsing" in page
    assert "2025-01-02 03:04:05.678 django hello mapper_parsing_exception refused logs-" in page


async def test_without_letters_it_says_so(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    browser.rows.clear()
    async with letters(browser, jobs) as served:
        assert "No dead letter is waiting." in await served.read("/console/dead-letters")


async def test_the_address_holds_the_filter_and_the_page(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    browser.rows = [row(number) for number in range(99)] + [row(99)] * 21
    async with letters(browser, jobs) as served:
        page = await served.read("/console/dead-letters?reason=refused&stream=logs-a-pt&page=2")

    assert browser.asked == LetterFilter(kinds=(LetterKind("refused", "logs-a-pt"),))
    assert "51 to 100 of 120" in page
    assert "?reason=refused&amp;stream=logs-a-pt&amp;page=3" in page
    assert 'rel="prev" href="/console/dead-letters?reason=refused&amp;stream=logs-a-pt"' in page


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999999999999", "²"])
async def test_any_page_number_is_some_page(
    browser: FakeBrowser, jobs: DeadLetterJobs, page: str
) -> None:
    async with letters(browser, jobs) as served:
        assert "1 to 1 of 1" in await served.read(f"/console/dead-letters?page={page}")


async def test_when_not_all_were_counted_it_says_so(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    browser.is_cut = True
    async with letters(browser, jobs) as served:
        assert "only the newest are counted" in await served.read("/console/dead-letters")


async def test_one_letter_is_shown_whole(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    browser.rows = [row(detail='{"type":"mapper_parsing_exception","reason":"failed"}')]
    async with letters(browser, jobs) as served:
        page = await served.read(f"/console/dead-letters/{browser.rows[0].id}")

    assert "&#34;type&#34;: &#34;mapper_parsing_exception&#34;" in page
    assert "{\n  &#34;message&#34;: &#34;hello&#34;\n}" in page
    assert "192.0.2.1:5000" in page


async def test_a_payload_that_is_no_text_is_shown_and_downloaded_as_it_came(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    browser.payload = b"\xff\x00<b>"
    address = f"/console/dead-letters/{browser.rows[0].id}"
    async with letters(browser, jobs) as served:
        page = await served.read(address)
        async with served.http.get(f"{address}/payload") as answer:
            assert await answer.read() == browser.payload
            assert answer.content_type == "application/octet-stream"
            assert answer.headers["Content-Disposition"].startswith("attachment")

    assert "\\xff⟨U+0000⟩&lt;b&gt;" in page


async def test_a_huge_payload_is_cut_and_the_rest_counted(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    browser.payload = b"x" * (SHOWN_CHARACTERS + 1500)
    async with letters(browser, jobs) as served:
        page = await served.read(f"/console/dead-letters/{browser.rows[0].id}")

    assert "1,500 more characters in the download" in page


async def test_a_letter_that_is_gone_is_told(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    async with letters(browser, jobs) as served:
        for path in (ID, f"{ID}/payload"):
            async with served.http.get(f"/console/dead-letters/{path}") as answer:
                assert answer.status == 404
                assert "is not waiting here" in await answer.text()


async def test_whatever_a_letter_holds_is_text(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    browser.rows = [
        row(
            reason=HOSTILE,
            detail=HOSTILE,
            service=HOSTILE,
            data_stream=HOSTILE,
            peer=HOSTILE,
            message=HOSTILE,
        )
    ]
    browser.payload = HOSTILE.encode()
    async with letters(browser, jobs, TOKEN) as served:
        pages = [
            await served.read("/console/dead-letters?reason=%3Cscript%3E&stream=%22%3E%3Cb%3E"),
            await served.read(f"/console/dead-letters/{browser.rows[0].id}"),
        ]

    for page in pages:
        assert "<script>" not in page
        assert "<b>" not in page
        assert "\u202e" not in page
    assert [page.count(SHOWN) for page in pages] == [13, 6]


async def test_without_a_token_nothing_can_be_changed(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    async with letters(browser, jobs) as served:
        page = await served.read("/console/dead-letters")
        form = {"id": ID}
        async with served.http.post("/console/dead-letters/requeue", data=form) as answer:
            assert answer.status == 403
            assert "without api.token nothing can be changed" in await answer.text()

    assert "<button formaction" not in page
    assert jobs.orders == []


async def test_ticked_letters_are_requeued(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        form = MultiDict([("id", "A1"), ("id", "B2"), ("form_key", key)])
        async with served.http.post(
            "/console/dead-letters/requeue", data=form, allow_redirects=False
        ) as answer:
            assert answer.status == 303

    assert [(order.what, order.choice) for order in jobs.orders] == [
        ("requeue", LetterFilter(ids=("A1", "B2")))
    ]


KIND = LetterKind("refused", HOSTILE)


async def test_a_purge_says_how_many_and_means_just_these(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    browser.rows = [row(number) for number in range(12)]
    async with letters(browser, jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        form = {"only": kind_text(KIND), "form_key": key}
        async with served.http.post("/console/dead-letters/purge", data=form) as answer:
            page = await answer.text()
        counted = browser.asked
        assert jobs.orders == []
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
        again = MultiDict((name, unescape(value)) for name, value in fields)
        async with served.http.post("/console/dead-letters/purge", data=again) as answer:
            assert answer.status == 200

    assert "Purge 12 dead letters?" in page
    assert "The newest 10 of them" in page
    assert SHOWN in page
    (order,) = jobs.orders
    assert (order.what, order.choice.kinds) == ("purge", (KIND,))
    assert order.choice.before == again["before"]
    assert counted == order.choice


async def test_a_purge_of_nothing_cannot_be_confirmed(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        browser.rows.clear()
        form = {"id": ID, "form_key": key}
        async with served.http.post("/console/dead-letters/purge", data=form) as answer:
            page = await answer.text()

    assert "nothing would be deleted" in page
    assert '<button class="danger" disabled>' in page


@pytest.mark.parametrize("key", ["", "guess"])
async def test_a_form_without_the_sessions_key_changes_nothing(
    browser: FakeBrowser, jobs: DeadLetterJobs, key: str
) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        form = {"id": ID, "form_key": key}
        async with served.http.post("/console/dead-letters/requeue", data=form) as answer:
            assert answer.status == 403

    assert jobs.orders == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}]
)
async def test_another_site_changes_nothing_even_with_the_key(
    browser: FakeBrowser, jobs: DeadLetterJobs, headers: dict[str, str]
) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        form = {"id": ID, "form_key": key}
        async with served.http.post(
            "/console/dead-letters/requeue", data=form, headers=headers
        ) as answer:
            assert answer.status == 403

    assert jobs.orders == []


async def test_an_address_alone_changes_nothing(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        for what in ("requeue", "purge"):
            async with served.http.get(f"/console/dead-letters/{what}?everything=yes") as answer:
                assert answer.status == 404

    assert jobs.orders == []


async def test_an_order_that_cannot_begin_now_says_why(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    jobs.refuses = "a purge is under way here"
    async with letters(browser, jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        form = {"id": ID, "form_key": key}
        async with served.http.post("/console/dead-letters/requeue", data=form) as answer:
            assert answer.status == 409
            assert "a purge is under way here" in await answer.text()


async def test_who_chose_nothing_is_told(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        form = {"form_key": form_key(await served.read("/console/dead-letters"))}
        async with served.http.post("/console/dead-letters/requeue", data=form) as answer:
            assert answer.status == 400


@pytest.mark.parametrize(
    ("form", "choice"),
    [
        ([("everything", "yes")], LetterFilter(everything=True)),
        (
            [("kind", A), ("kind", B)],
            LetterFilter(kinds=(LetterKind("a", "s"), LetterKind("b", None))),
        ),
        ([("kind", A), ("only", B)], LetterFilter(kinds=(LetterKind("b", None),))),
        ([("everything", "yes"), ("only", B)], LetterFilter(kinds=(LetterKind("b", None),))),
        ([("everything", "yes"), ("kind", A)], LetterFilter(everything=True)),
        (
            [("everything", "yes"), ("age", "1d")],
            LetterFilter(everything=True, before="2025-01-01T03:04:05.000Z"),
        ),
        ([("kind", A), ("age", "1y")], LetterFilter()),
        ([("kind", A), ("before", "tomorrow")], LetterFilter()),
        ([("kind", "a"), ("kind", "[1,2]"), ("kind", '["a"]')], LetterFilter()),
        ([("only", "x"), ("kind", A)], LetterFilter()),
        ([("age", "1d")], LetterFilter()),
        ([("id", ID)], LetterFilter(ids=(ID,))),
        ([("id", ID), ("everything", "yes")], LetterFilter(ids=(ID,))),
        ([], LetterFilter()),
    ],
)
def test_a_form_means_the_letters_it_names_and_no_others(
    form: list[tuple[str, str]], choice: LetterFilter
) -> None:
    assert choice_of(MultiDict(form), now=NOW) == choice


@pytest.mark.parametrize(
    ("address", "choice"),
    [
        ({}, LetterFilter(everything=True)),
        ({"reason": "a"}, LetterFilter(reasons=("a",))),
        ({"stream": "s"}, LetterFilter(data_streams=("s",))),
        ({"reason": "a", "stream": "s"}, LetterFilter(kinds=(LetterKind("a", "s"),))),
        ({"reason": "a", "stream": ""}, LetterFilter(kinds=(LetterKind("a", None),))),
        ({"reason": "", "stream": ""}, LetterFilter(everything=True)),
    ],
)
def test_an_address_lists_the_letters_it_names(
    address: dict[str, str], choice: LetterFilter
) -> None:
    assert shown_choice(address) == choice


def test_what_a_choice_is_written_as_is_read_as_the_same() -> None:
    choice = LetterFilter(kinds=(KIND, LetterKind("b", None)), before="2025-01-01T03:04:05.000Z")

    assert choice_of(MultiDict(fields_of(choice)), now=NOW) == choice


def test_progress_is_told_by_what_became_of_the_letters() -> None:
    told = progress_of(
        {"what": "requeue", "finished": True, "failed": None,
         "tally": {"chosen": 5, "stored": 4, "already_stored": 0, "left": 1,
                   "left_because": "not settled within 300 s"}}
    )  # fmt: skip

    assert told is not None
    assert told["done"] == {"stored": 4, "left": 1}
    assert told["because"] == "not settled within 300 s"
    assert progress_of({"number": 0, "what": None, "finished": True}) is None
