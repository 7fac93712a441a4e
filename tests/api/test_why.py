"""The life of an event over HTTP: who may ask, and how."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from ptingest.api.app import start_api
from ptingest.model.watching import WhyRequest
from ptingest.settings.api import ApiSettings
from ptingest.telemetry.metrics import Metrics
from tests.support.api import NODE, View


class FakeTraces:
    def __init__(self) -> None:
        self.asked: list[WhyRequest] = []

    async def why(self, question: WhyRequest) -> dict[str, object]:
        self.asked.append(question)
        return {"found": [], "memory": {}}


@pytest.fixture
def traces() -> FakeTraces:
    return FakeTraces()


@pytest.fixture
async def url(traces: FakeTraces) -> AsyncIterator[str]:
    api = await start_api(
        ApiSettings(listen="127.0.0.1:0"), view=View(), metrics=Metrics(), node=NODE, why=traces
    )
    yield f"http://127.0.0.1:{api.port}/why"
    await api.close()


async def ask(method: str, url: str, **more: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.request(method, url, **more) as answer:
        return answer.status, await answer.json()


async def test_an_id_is_asked_by_its_address_and_a_line_by_post(
    traces: FakeTraces, url: str
) -> None:
    first = await ask("GET", f"{url}?id=AZQm")
    second = await ask("POST", url, json={"line": "a\nb", "service": "django"})

    assert first == second == (200, {"found": [], "memory": {}})
    assert traces.asked == [WhyRequest(id="AZQm"), WhyRequest(line="a\nb", service="django")]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"id":"a","line":"b"}', b'{"idd":"a"}', b"\xff", b"[" * 5000]
)
async def test_a_question_without_sense_is_400(body: bytes, traces: FakeTraces, url: str) -> None:
    status, answer = await ask("POST", url, data=body)

    assert status == 400
    assert answer["error"]
    assert traces.asked == []


async def test_web_pages_of_others_are_told_nothing(traces: FakeTraces, url: str) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        status, _ = await ask("GET", f"{url}?id=a", headers=headers)
        assert status == 403

    assert traces.asked == []
