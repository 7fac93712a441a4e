"""What the event of a letter says of itself."""

from __future__ import annotations

import pytest

from ptingest.dead_letters.event_preview import MESSAGE_CHARACTERS, EventPreview, event_preview
from ptingest.model.document import LARGE_BYTES


def sent(payload: bytes) -> EventPreview:
    return event_preview(payload)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"service":"Bad Name","message":"hello"}', EventPreview("Bad Name", "hello")),
        (b'{"message":"hello"}', EventPreview("", "hello")),
        (b'{"service":7,"message":{"a":[1]}}', EventPreview("7", '{"a":[1]}')),
        (b'{"service":null,"message":null}', EventPreview("", "")),
        (b"{}", EventPreview("", "")),
        (b"[1]", EventPreview("", "[1]")),
        (b'{"message": broken', EventPreview("", '{"message": broken')),
        (b"\xff\x00text", EventPreview("", "\\xff\x00text")),
        (b"", EventPreview("", "")),
    ],
)
def test_service_and_message_are_those_that_were_sent(
    payload: bytes, expected: EventPreview
) -> None:
    assert sent(payload) == expected


def test_of_a_long_message_the_beginning_is_kept() -> None:
    assert sent(b'{"message":"' + b"x" * 5000 + b'"}').message == "x" * MESSAGE_CHARACTERS


def test_a_large_payload_is_not_decoded() -> None:
    payload = b'{"service":"django","message":"' + b"x" * LARGE_BYTES + b'"}'

    assert sent(payload) == EventPreview("", payload[:MESSAGE_CHARACTERS].decode())


def test_a_payload_that_is_nested_without_end_is_shown_as_it_is() -> None:
    payload = b'{"message":' + b"[" * 100_000

    assert sent(payload).message.startswith('{"message":[[[')
