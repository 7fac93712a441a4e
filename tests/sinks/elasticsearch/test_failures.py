from __future__ import annotations

import json
import logging

import pytest

from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.failures import LOG_SECONDS, MOST_STREAMS, FailureStores
from tests.fakes.clock import LoopClock, run_in_virtual_time
from tests.support.documents import NGINX, DataStream, document

OURS = {"x-elastic-product": "Elasticsearch"}
DENIED = Answer(403, {}, b'{"error":{"type":"security_exception","reason":"r"},"status":403}')


def found(kind: str, message: str) -> Answer:
    hit = {"_source": {"error": {"type": kind, "message": message}}}
    return Answer(200, OURS, json.dumps({"hits": {"hits": [hit]}}).encode())


class Node:
    """Says the same to each question, and remembers what was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        self.asked.append(target.partition("?")[0])
        return self.answer


MAPPING = found("document_parsing_exception", "[1:63] object mapping for [host] tried to parse")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_warning_names_stream_count_reason_and_how_to_look(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = Node(MAPPING)

    async def scenario() -> dict[str, object]:
        stores = FailureStores(node, LoopClock())
        stores.note([document(number=n, stream=NGINX) for n in range(150)])
        stores.note([document(number=n, stream=NGINX) for n in range(50)])
        await stores_told(stores)
        await stores.close()
        return stores.status()

    status = run_in_virtual_time(scenario())

    (line,) = lines(caplog)
    assert "200 documents went to the failure store of logs-nginx-pt" in line
    assert "document_parsing_exception: object mapping for [host]" in line
    assert "GET logs-nginx-pt::failures/_search" in line
    assert node.asked == ["/logs-nginx-pt::failures/_search"]
    row = status["logs-nginx-pt"]
    assert isinstance(row, dict)
    assert (row["documents"], row["service"]) == (200, "nginx")
    assert row["reason"].startswith("document_parsing_exception")


async def stores_told(stores: FailureStores) -> None:
    """Return when everything was told."""
    task = stores._logging
    assert task is not None
    await task


def test_the_same_stream_is_told_of_at_intervals_and_nothing_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> tuple[float, float]:
        clock = LoopClock()
        stores = FailureStores(Node(MAPPING), clock)
        stores.note([document(number=0, stream=NGINX)])
        await stores_told(stores)
        first = clock.monotonic()
        stores.note([document(number=n, stream=NGINX) for n in range(9)])
        await stores_told(stores)
        second = clock.monotonic()
        await stores.close()
        return first, second

    first, second = run_in_virtual_time(scenario())

    assert [line.split()[1] for line in lines(caplog)] == ["1", "9"]
    assert second - first >= LOG_SECONDS - 0.1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(DENIED, id="no right to read it"),
        pytest.param(Answer(None, failure="refused"), id="nobody answers"),
        pytest.param(Answer(404, OURS, b"{}"), id="there is none"),
        pytest.param(Answer(200, OURS, b'{"hits":{"hits":[]}}'), id="not to be found yet"),
        pytest.param(Answer(200, OURS, b"<html>"), id="no answer to the question"),
        pytest.param(Answer(200, OURS, b"{}"), id="an empty one"),
    ],
)
def test_without_a_reason_the_line_says_who_may_read_it(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        stores = FailureStores(Node(answer), LoopClock())
        stores.note([document(stream=NGINX)])
        await stores_told(stores)
        await stores.close()

    run_in_virtual_time(scenario())

    (line,) = lines(caplog)
    assert "1 documents went to the failure store of logs-nginx-pt" in line
    assert "read_failure_store" in line


def test_who_may_not_read_it_does_not_ask_again_and_again() -> None:
    node = Node(DENIED)

    async def scenario() -> None:
        stores = FailureStores(node, LoopClock())
        for _ in range(3):
            stores.note([document(stream=NGINX)])
            await stores_told(stores)
        await stores.close()

    run_in_virtual_time(scenario())

    assert len(node.asked) == 1


def test_a_stop_logs_what_was_not_logged_yet(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        stores = FailureStores(Node(MAPPING), LoopClock())
        stores.note([document(stream=NGINX)])
        await stores.close()

    run_in_virtual_time(scenario())

    assert len(lines(caplog)) == 1


def test_a_reason_neither_quotes_the_event_nor_commands_a_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    message = (
        "failed to parse field [x\x1b]0;pwned\x07] of type [long]. Preview of field's value: 's'"
    )

    async def scenario() -> None:
        stores = FailureStores(Node(found("t", message)), LoopClock())
        stores.note([document(stream=NGINX)])
        await stores_told(stores)
        await stores.close()

    run_in_virtual_time(scenario())

    (line,) = lines(caplog)
    assert "failed to parse field [x" in line
    assert "Preview" not in line
    assert line.isprintable()


def test_what_is_remembered_is_bounded() -> None:
    async def scenario() -> dict[str, object]:
        stores = FailureStores(Node(MAPPING), LoopClock())
        for number in range(MOST_STREAMS + 10):
            stores.note([document(stream=DataStream("logs", f"s{number}", "pt"))])
        status = stores.status()
        await stores.close()
        return status

    status = run_in_virtual_time(scenario())

    assert len(status) == MOST_STREAMS
    assert f"logs-s{MOST_STREAMS + 9}-pt" in status
