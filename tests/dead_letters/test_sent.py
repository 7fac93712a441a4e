"""What the event of a letter says of itself."""

from __future__ import annotations

import pytest

from ptingest.dead_letters.sent import MESSAGE_CHARACTERS, SentEvent, sent_event
from ptingest.model.document import LARGE_BYTES
from ptingest.model.outcome import DeadLetter


def sent(payload: bytes) -> SentEvent:
    return sent_event(DeadLetter("refused", "detail", payload, "other", "peer:1"))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"service":"Bad Name","message":"hello"}', SentEvent("Bad Name", "hello")),
        (b'{"message":"hello"}', SentEvent("", "hello")),
        (b'{"service":7,"message":{"a":[1]}}', SentEvent("7", '{"a":[1]}')),
        (b'{"service":null,"message":null}', SentEvent("", "")),
        (b"{}", SentEvent("", "")),
        (b"[1]", SentEvent("", "[1]")),
        (b'{"message": broken', SentEvent("", '{"message": broken')),
        (b"\xff\x00text", SentEvent("", "\\xff\x00text")),
        (b"", SentEvent("", "")),
    ],
)
def test_service_and_message_are_those_that_were_sent(payload: bytes, expected: SentEvent) -> None:
    assert sent(payload) == expected


def test_of_a_long_message_the_beginning_is_kept() -> None:
    assert sent(b'{"message":"' + b"x" * 5000 + b'"}').message == "x" * MESSAGE_CHARACTERS


def test_a_large_payload_is_not_decoded() -> None:
    payload = b'{"service":"django","message":"' + b"x" * LARGE_BYTES + b'"}'

    assert sent(payload) == SentEvent("", payload[:MESSAGE_CHARACTERS].decode())


def test_a_payload_that_is_nested_without_end_is_shown_as_it_is() -> None:
    payload = b'{"message":' + b"[" * 100_000

    assert sent(payload).message.startswith('{"message":[[[')
