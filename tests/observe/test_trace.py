"""Traces of events that pass a real flow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from ptingest.model.document import Document
from ptingest.model.outcome import Refusal, WriteResult
from ptingest.model.watching import WhyRequest
from ptingest.observe.trace import TRACES_MOST, spellings
from tests.support.raw_peer import LINE, J, W, peer_of, shipped
from tests.support.serving import MemorySink, Server, serving
from tests.support.waiting import PATIENCE_SECONDS


async def traces(server: Server, **asked: str) -> list[dict[str, Any]]:
    answer = await server.worker.parts.trace_reader.why(WhyRequest(**asked))
    found: list[dict[str, Any]] = orjson.loads(orjson.dumps(answer["found"]))
    return found


async def trace_of(server: Server, **asked: str) -> dict[str, Any]:
    (trace,) = await traces(server, **asked)
    return trace


async def test_a_stored_and_acked_event_is_told_from_window_to_ack(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(1) + J(1, shipped("other")))
        await peer.send(
            W(3) + J(1, shipped("a", 1)) + J(2, shipped(LINE, 2)) + J(3, shipped("c", 3))
        )
        await peer.acks(2)
        trace = await trace_of(server, line="parcel 42")
        by_id = await trace_of(server, id=trace["id"])

    assert by_id == trace
    window = trace["window"]
    assert (window["number"], window["seq"], window["last_seq"]) == (2, 2, 3)
    assert (window["state"], window["events"]) == ("acked", 3)
    assert window["seconds_to_ack"] > 0
    assert trace["peer"].startswith("127.0.0.1:")
    assert trace["pattern"] == "plain_time"
    assert trace["data_stream"] == "logs-django-pt"
    assert trace["rule"]
    (attempt,) = trace["attempts"]
    assert (attempt["sink"], attempt["outcome"]) == ("memory", "stored")
    assert trace["sinks"] == {"memory": {"state": "stored"}}
    assert trace["summary"].startswith("memory: stored; acked 0.")


async def test_an_event_that_waits_says_for_what(tmp_path: Path) -> None:
    sink = MemorySink()
    sink.open.clear()
    async with serving(tmp_path, sink=sink) as server, peer_of(server) as peer:
        await peer.send(W(1) + J(1, shipped()))
        await asyncio.wait_for(sink.asked.wait(), PATIENCE_SECONDS)
        trace = await trace_of(server, line=LINE)
        sink.open.set()
        await peer.acks(1)

    assert trace["window"]["state"] == "open"
    assert trace["sinks"]["memory"] == {
        "state": "waiting",
        "for": "the answer to a write that is under way",
    }
    assert "not acked yet" in trace["summary"]


class Scripted(MemorySink):
    """Gives the answers that the test sets, then stores."""

    def __init__(self, *results: Any) -> None:
        super().__init__()
        self.results = list(results)

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        if self.results:
            result: WriteResult = self.results.pop(0)(documents)
            return result
        return await super().write(documents, doubtful)


async def test_every_write_is_told_with_the_sinks_words(tmp_path: Path) -> None:
    sink = Scripted(
        lambda found: WriteResult(busy=found, said="HTTP 429", trouble="it is busy"),
        lambda found: WriteResult(doubtful=found, said="no answer within 60 s"),
    )
    async with serving(tmp_path, sink=sink) as server, peer_of(server) as peer:
        await peer.send(W(1) + J(1, shipped()))
        await peer.acks(1)
        trace = await trace_of(server, line=LINE)

    assert [(one["batch"], one["outcome"], one["said"]) for one in trace["attempts"]] == [
        (1, "busy", "HTTP 429"),
        (2, "doubtful", "no answer within 60 s"),
        (3, "stored", None),
    ]
    assert trace["attempts"][0]["detail"] == "it is busy"


async def test_what_a_sink_refused_is_told_with_its_reason(tmp_path: Path) -> None:
    sink = Scripted(
        lambda found: WriteResult(refused=[Refusal(found[0], "mapping", "object mapping tried")])
    )
    async with serving(tmp_path, sink=sink) as server, peer_of(server) as peer:
        await peer.send(W(2) + J(1, shipped()) + J(2, shipped("good", 1)))
        await peer.acks(1)
        bad, good = await trace_of(server, line=LINE), await trace_of(server, line="good")

    assert bad["sinks"]["memory"] == {"state": "dead_lettered", "because": "mapping"}
    assert bad["attempts"][0]["detail"] == "object mapping tried"
    assert good["sinks"]["memory"] == {"state": "stored"}


@pytest.mark.parametrize(
    ("payload", "outcome", "reason"),
    [
        (shipped(service="A B"), "dead_letter", "illegal_data_stream"),
        (b"not json at all: parcel 42", "dead_letter", "not_json"),
        (shipped(group="other"), "dropped", "other_group"),
    ],
    ids=["an illegal name", "no JSON", "another group"],
)
async def test_what_never_reached_a_sink_is_told_too(
    payload: bytes, outcome: str, reason: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(2) + J(1, shipped("before", 9)) + J(2, payload))
        await peer.acks(1)
        trace = await trace_of(server, line="parcel 42")

    assert (trace["outcome"], trace["reason"]) == (outcome, reason)
    assert (trace["window"]["seq"], trace["attempts"]) == (2, [])
    assert reason in trace["summary"]


async def test_an_event_that_was_given_back_says_why(tmp_path: Path) -> None:
    sink = MemorySink()
    sink.open.clear()
    async with serving(tmp_path, sink=sink) as server:
        async with peer_of(server) as peer:
            await peer.send(W(1) + J(1, shipped()))
            await asyncio.wait_for(sink.asked.wait(), PATIENCE_SECONDS)
        await server.until("ptingest_beats_failed_windows_total", 1, "connection_closed")
        trace = await trace_of(server, line=LINE)
        sink.open.set()

    assert trace["window"]["state"] == "given back"
    assert "its Beat sends it again" in trace["summary"]


async def test_what_comes_again_is_two_stories_the_newest_first(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        for _ in range(2):
            await peer.send(W(1) + J(1, shipped()))
            await peer.acks(1)
        again, first = await traces(server, line=LINE)

    assert again["id"] == first["id"]
    assert [one["outcome"] for one in first["attempts"]][:1] == ["stored"]
    assert [one["outcome"] for one in again["attempts"]] == ["already_stored"]
    assert again["sinks"] == {"memory": {"state": "already_stored"}}


async def test_a_common_text_is_not_told_a_thousand_times(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(50) + b"".join(J(n, shipped("same", n)) for n in range(1, 51)))
        await peer.acks(1)

        assert len(await traces(server, line="same")) == TRACES_MOST


async def test_once_only_the_id_is_left_window_and_writes_are_told_still(tmp_path: Path) -> None:
    async with serving(tmp_path, why={"sample": 0.0}) as server, peer_of(server) as peer:
        await peer.send(W(1) + J(1, shipped()))
        await peer.acks(1)
        key = server.sink.documents[0].key
        assert key is not None
        trace = await trace_of(server, id=key)
        by_text = await traces(server, line=LINE)

    assert by_text == []
    assert trace["has_text"] is False
    assert trace["window"]["state"] == "acked"
    assert [one["outcome"] for one in trace["attempts"]] == ["stored"]
    assert trace["sinks"] == {"memory": {"state": "stored"}}


async def test_nothing_is_remembered_when_it_is_off(tmp_path: Path) -> None:
    async with serving(tmp_path, why={"max_bytes": 0}) as server, peer_of(server) as peer:
        await peer.send(W(1) + J(1, shipped()))
        await peer.acks(1)
        answer = await server.worker.parts.trace_reader.why(WhyRequest(line=LINE))

    assert answer["found"] == []


@pytest.mark.parametrize("text", ["żółć", "a<b>&c", 'quo"te', "tab\there", "plain"])
async def test_a_line_is_found_however_its_sender_spells_it(text: str, tmp_path: Path) -> None:
    ascii_only = shipped("x", 2).replace(b'"x"', json.dumps(text).encode())
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(2) + J(1, shipped(text, 1)) + J(2, ascii_only))
        await peer.acks(1)

        assert len(await traces(server, line=text)) == 2


def test_go_spells_angle_brackets_with_escapes() -> None:
    assert b"a\\u003cb" in spellings("a<b")
