"""The pages of dead letters."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from multidict import MultiDict

from ptingest.api.console.dead_letters import SHOWN_CHARACTERS, choice_of, progress_of
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.model.letters import LetterFilter, LetterPage, LetterRow, WholeLetter
from tests.support.api import DeadLetterJobs
from tests.support.console import TOKEN, Served, console, log_in

ID = "01JB2QXEZ3T8V5N7K4M9P6R1S0"
HOSTILE = "</textarea><script>alert(1)</script>\u202e"
SHOWN = "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩"
NOW = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def row(number: int = 0, **changed: Any) -> LetterRow:
    made = LetterRow(
        id=f"{ID[:-2]}{number:02d}", time="2025-01-02T03:04:05.678Z", reason="refused",
        detail="mapper_parsing_exception", service="django", data_stream="logs-django-pt",
        peer="192.0.2.1:5000", size=1234,
    )  # fmt: skip
    return made._replace(**changed)


@dataclass
class FakeBrowser:
    """Letters as a test wants them."""

    rows: list[LetterRow] = field(default_factory=list)
    payload: bytes = b'{"message":"hello"}'
    asked: tuple[str, str] = ("", "")
    is_cut: bool = False

    async def look(self, *, reason: str, data_stream: str) -> LetterPage:
        self.asked = (reason, data_stream)
        kinds = [((one.reason, one.data_stream), 1) for one in self.rows[:1]]
        return LetterPage(kinds, len(self.rows), len(self.rows), self.rows, self.is_cut)

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

    assert "refused logs-django-pt 1" in page
    assert "2025-01-02 03:04:05.678 django refused logs-django-pt mapper_parsing" in page


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

    assert browser.asked == ("refused", "logs-a-pt")
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
        row(reason=HOSTILE, detail=HOSTILE, service=HOSTILE, data_stream=HOSTILE, peer=HOSTILE)
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
    assert [page.count(SHOWN) for page in pages] == [6, 6]


async def test_without_a_token_nothing_can_be_changed(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    async with letters(browser, jobs) as served:
        page = await served.read("/console/dead-letters")
        form = {"which": "ticked", "id": ID}
        async with served.http.post("/console/dead-letters/requeue", data=form) as answer:
            assert answer.status == 403
            assert "without api.token nothing can be changed" in await answer.text()

    assert "<button formaction" not in page
    assert jobs.orders == []


async def test_ticked_letters_are_requeued(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        form = MultiDict(
            [("which", "ticked"), ("id", "A1"), ("id", "B2"), ("form_key", key), ("reason", "")]
        )
        async with served.http.post(
            "/console/dead-letters/requeue", data=form, allow_redirects=False
        ) as answer:
            assert answer.status == 303

    assert [(order.what, order.choice) for order in jobs.orders] == [
        ("requeue", LetterFilter(ids=("A1", "B2")))
    ]


async def test_a_purge_asks_once_more_and_means_the_same(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        form = {"which": "fit", "reason": "refused", "stream": HOSTILE, "form_key": key}
        async with served.http.post("/console/dead-letters/purge", data=form) as answer:
            page = await answer.text()
        assert jobs.orders == []
        again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
        again["stream"] = HOSTILE
        async with served.http.post("/console/dead-letters/purge", data=again) as answer:
            assert answer.status == 200

    assert SHOWN in page
    assert [(order.what, order.choice) for order in jobs.orders] == [
        ("purge", LetterFilter(reasons=("refused",), data_streams=(HOSTILE,)))
    ]


@pytest.mark.parametrize("key", ["", "guess"])
async def test_a_form_without_the_sessions_key_changes_nothing(
    browser: FakeBrowser, jobs: DeadLetterJobs, key: str
) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        form = {"which": "ticked", "id": ID, "form_key": key}
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
        form = {"which": "ticked", "id": ID, "form_key": key}
        async with served.http.post(
            "/console/dead-letters/requeue", data=form, headers=headers
        ) as answer:
            assert answer.status == 403

    assert jobs.orders == []


async def test_an_address_alone_changes_nothing(browser: FakeBrowser, jobs: DeadLetterJobs) -> None:
    async with letters(browser, jobs, TOKEN) as served:
        for what in ("requeue", "purge"):
            async with served.http.get(f"/console/dead-letters/{what}?which=fit") as answer:
                assert answer.status == 404

    assert jobs.orders == []


async def test_an_order_that_cannot_begin_now_says_why(
    browser: FakeBrowser, jobs: DeadLetterJobs
) -> None:
    jobs.refuses = "a purge is under way here"
    async with letters(browser, jobs, TOKEN) as served:
        key = form_key(await served.read("/console/dead-letters"))
        form = {"which": "ticked", "id": ID, "form_key": key}
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
        ({"which": "fit"}, LetterFilter(everything=True)),
        ({"which": "fit", "reason": "refused"}, LetterFilter(reasons=("refused",))),
        ({"which": "fit", "age": "1d"}, LetterFilter(before="2025-01-01T03:04:05.000Z")),
        ({"which": "fit", "age": "1y"}, LetterFilter()),
        ({"which": "ticked", "reason": "refused"}, LetterFilter()),
        ({"id": ID}, LetterFilter(ids=(ID,))),
        ({}, LetterFilter()),
    ],
)
def test_a_form_means_the_letters_it_names_and_no_others(
    form: dict[str, str], choice: LetterFilter
) -> None:
    assert choice_of(form, now=NOW) == choice


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
