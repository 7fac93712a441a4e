"""Trace of one event as a page."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.model.watching import WhyRequest
from tests.api.console.test_explore import HOSTILE, text_of
from tests.support.console import console

MEMORY = {
    "whole_events": 3, "whole_seconds": 4.5, "id_events": 1000, "seconds": 90.0, "bytes": 2048,
    "limit_bytes": 16 << 20, "setting": "why.max_bytes",
}  # fmt: skip
WRITE = {
    "sink": "store", "batch": 7, "began_at": "2025-01-02T03:04:05.100Z", "seconds": 0.0042,
    "outcome": "stored", "said": None, "reason": None, "detail": None,
}  # fmt: skip
TRACE: dict[str, Any] = {
    "id": "key1", "arrived_at": "2025-01-02T03:04:05.000Z", "peer": "192.0.2.7:5", "worker": 2,
    "tls_subject": None, "source": "beats", "outcome": "document", "has_text": True,
    "reason": None, "detail": "", "service": "django", "message": "ERROR|a|b", "pattern": "plain",
    "data_stream": "logs-django-pt", "rule": None, "notes": [], "profile_changed_since": False,
    "window": {
        "number": 4, "events": 10, "seq": 3, "place": 3, "last_seq": 10, "state": "acked",
        "given_back_because": None, "acked_at": "2025-01-02T03:04:05.200Z", "seconds_to_ack": 0.2,
    },
    "attempts": [WRITE], "sinks": {"store": {"state": "stored"}},
    "summary": "store: stored; acked 0.200 s after it arrived",
}  # fmt: skip
FORGOTTEN = {
    "id": "key1", "arrived_at": "2025-01-02T03:04:05.000Z", "peer": "192.0.2.7:5",
    "tls_subject": None, "source": "beats", "outcome": "document", "has_text": False,
    "window": {**TRACE["window"], "number": None, "seq": None, "last_seq": None, "state": "open",
               "acked_at": None, "seconds_to_ack": None},
    "attempts": [], "sinks": {"store": {"state": "waiting", "for": "the next try"}},
    "summary": "store: waits for the next try; not acked yet",
}  # fmt: skip


class FakeTraces:
    def __init__(self, *traces: dict[str, Any], memory: dict[str, Any] = MEMORY) -> None:
        self.answer: dict[str, object] = {"found": list(traces), "memory": memory}
        self.asked: list[WhyRequest] = []

    async def why(self, question: WhyRequest) -> dict[str, object]:
        self.asked.append(question)
        return self.answer


async def read(traces: FakeTraces, path: str = "/console/life?id=key1") -> str:
    async with console(why=traces) as served:
        return await served.read(path)


async def test_window_pattern_writes_and_ack_are_told() -> None:
    traces = FakeTraces(TRACE)

    text = text_of(await read(traces))

    assert traces.asked == [WhyRequest(id="key1")]
    assert "store: stored; acked 0.200 s after it arrived" in text
    assert "from 192.0.2.7:5, worker 2" in text
    assert "number 4 of its connection, seq 3 of 10, 10 events" in text
    assert "2025-01-02 03:04:05.200 UTC, 200 ms after it arrived" in text
    assert "Pattern plain" in text
    assert "store 2025-01-02 03:04:05.100 7 4.2 ms stored –" in text
    assert "3 whole events of the last 4.5 s and 1,000 more by their id" in text


async def test_what_is_left_of_an_older_one_is_told() -> None:
    text = text_of(await read(FakeTraces(FORGOTTEN)))

    assert "no longer in memory, only the id" in text
    assert "Waits at store for the next try" in text
    assert "not complete yet" in text


async def test_what_is_forgotten_is_said_with_how_far_back_is_remembered() -> None:
    text = text_of(await read(FakeTraces()))

    assert "The server does not remember this event" in text
    assert "back to 1 min 30 s ago" in text


async def test_a_server_that_remembers_nothing_names_the_setting() -> None:
    text = text_of(await read(FakeTraces(memory={**MEMORY, "limit_bytes": 0})))

    assert "why.max_bytes is 0" in text


async def test_a_worker_that_did_not_answer_is_named() -> None:
    traces = FakeTraces()
    traces.answer["silent"] = {"worker 1": "it hangs"}

    assert "worker 1 did not answer: it hangs" in text_of(await read(traces))


async def test_everything_of_an_event_is_text() -> None:
    hostile = dict.fromkeys(("peer", "message", "summary", "pattern", "tls_subject"), HOSTILE)
    write = {**WRITE, "said": HOSTILE, "detail": HOSTILE}

    page = await read(
        FakeTraces({**TRACE, **hostile, "attempts": [write]}), f"/console/life?id={HOSTILE}"
    )

    assert "<script>alert" not in page
    assert "<img" not in page
    assert text_of(page).count("<script>alert(1)</script>") >= 7


@pytest.mark.parametrize(
    "path", ["/console/life", "/console/life?id=", "/console/life?id=" + "a" * 513]
)
async def test_without_a_key_there_is_no_life(path: str) -> None:
    async with console(why=FakeTraces()) as served, served.http.get(path) as answer:
        assert (answer.status, "Which event?" in await answer.text()) == (400, True)
