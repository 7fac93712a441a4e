"""Orders over HTTP: who may give them, and what they look like."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
from pydantic import SecretStr

from ptingest.api.app import BODY_BYTES
from ptingest.api.letters import is_loopback, read_order
from ptingest.model.letters import LetterFilter, Order
from ptingest.settings.api import ApiSettings
from tests.support.api import DeadLetterJobs, api_server

ALL = {"choice": {"everything": True}}


@pytest.fixture
def jobs() -> DeadLetterJobs:
    return DeadLetterJobs()


@pytest.fixture
async def http(jobs: DeadLetterJobs) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        api_server(jobs=jobs) as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session,
    ):
        yield session


@pytest.mark.parametrize("what", ["requeue", "purge"])
async def test_an_order_is_begun_and_answered_at_once(
    http: aiohttp.ClientSession, jobs: DeadLetterJobs, what: str
) -> None:
    asked = {"choice": {"reasons": ["refused"]}, "seconds": 7, "pid": os.getpid()}

    async with http.post(f"/dead-letters/{what}", json=asked) as answer:
        said = await answer.json()

    assert (answer.status, said["number"]) == (202, 1)
    assert jobs.orders == [
        Order(what, LetterFilter(reasons=("refused",)), seconds=7, pid=os.getpid())  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", "order is not valid", id="nothing at all"),
        pytest.param(b"[]", "order is not valid", id="no object"),
        pytest.param(b'{"choice": {"reasons": ["\xff"]}}', "order is not valid", id="no UTF-8"),
        pytest.param(b'{"choice": ' + b"[" * 60000, "order is not valid", id="nested without end"),
        pytest.param(b'{"choice": {}}', "selects no letters", id="an empty choice is not all"),
        pytest.param(b'{"choice": {"reason": ["x"]}}', "unknown field", id="a filter misspelled"),
        pytest.param(b'{"choice": {"everything": 1}}', "bool", id="a value of the wrong type"),
        pytest.param(
            b'{"choice": {"everything": true}, "what": "purge"}', "path", id="what it is twice"
        ),
        pytest.param(
            b'{"choice": {"everything": true}, "seconds": 1e9}', "seconds", id="time without end"
        ),
    ],
)
async def test_what_is_no_order_is_refused_and_begins_nothing(
    http: aiohttp.ClientSession, jobs: DeadLetterJobs, body: bytes, why: str
) -> None:
    headers = {"Content-Type": "application/json"}
    async with http.post("/dead-letters/purge", data=body, headers=headers) as answer:
        said = await answer.json()

    assert answer.status == 400
    assert why in said["error"]
    assert jobs.orders == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "http://evil.example"}, 403, id="from a web page"),
        pytest.param({"Content-Type": "text/plain"}, 415, id="as a form may send it"),
    ],
)
async def test_no_web_page_gives_orders(
    http: aiohttp.ClientSession, jobs: DeadLetterJobs, headers: dict[str, str], status: int
) -> None:
    given = {"Content-Type": "application/json", **headers}
    body = msgspec.json.encode(ALL)
    async with http.post("/dead-letters/purge", data=body, headers=given) as answer:
        assert answer.status == status

    assert jobs.orders == []


async def test_an_order_for_another_server_is_refused(
    http: aiohttp.ClientSession, jobs: DeadLetterJobs
) -> None:
    async with http.post("/dead-letters/purge", json={**ALL, "pid": os.getpid() + 1}) as answer:
        said = await answer.json()

    assert answer.status == 409
    assert "another server listens" in said["error"]
    assert jobs.orders == []


async def test_one_order_at_a_time(http: aiohttp.ClientSession, jobs: DeadLetterJobs) -> None:
    jobs.refuses = "a requeue is under way here"

    async with http.post("/dead-letters/purge", json=ALL) as answer:
        said = await answer.json()

    assert answer.status == 409
    assert said["error"].startswith("a requeue is under way here; nothing was begun")


async def test_a_body_without_end_is_not_read(
    http: aiohttp.ClientSession, jobs: DeadLetterJobs
) -> None:
    headers = {"Content-Type": "application/json"}
    body = b" " * (BODY_BYTES + 1)
    async with http.post("/dead-letters/purge", data=body, headers=headers) as answer:
        assert answer.status == 413

    assert jobs.orders == []


@pytest.mark.parametrize(
    ("shown", "status"),
    [("", 401), ("Bearer wrong", 401), ("Bearer s3cret-token", 202)],
    ids=["without", "with another", "with the right one"],
)
async def test_where_a_token_is_set_orders_need_it(
    jobs: DeadLetterJobs, shown: str, status: int
) -> None:
    settings = ApiSettings(listen="127.0.0.1:0", token=SecretStr("s3cret-token"))
    headers = {"Authorization": shown} if shown else {}

    async with api_server(settings, jobs=jobs) as server, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.port}/dead-letters/requeue"
        async with http.post(url, json=ALL, headers=headers) as answer:
            assert answer.status == status

    assert len(jobs.orders) == (status == 202)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("", False),
        (None, False),
        ("localhost", False),
    ],
)
def test_only_this_host_is_loopback(address: str | None, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_the_path_says_what_is_wanted() -> None:
    assert read_order(b'{"choice":{"ids":["x"]}}', what="purge").what == "purge"
