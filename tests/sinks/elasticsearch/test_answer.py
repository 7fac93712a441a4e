from __future__ import annotations

import pytest

from ptingest.sinks.elasticsearch.answer import (
    Answer,
    Error,
    error_answer_of,
    excerpt,
    retry_after_seconds,
)

SECURITY = b'{"error":{"type":"security_exception","reason":"r"},"status":403}'


@pytest.mark.parametrize(
    ("answer", "is_ours"),
    [
        (Answer(200, {"x-elastic-product": "Elasticsearch"}), True),
        (Answer(200, {}), False),
        (Answer(403, {}, SECURITY), True),
        (Answer(200, {}, SECURITY), False),
        (Answer(401, {}, b"who?"), False),
    ],
)
def test_elasticsearch_is_known_by_its_header_or_its_security(
    answer: Answer, is_ours: bool
) -> None:
    assert answer.is_from_elasticsearch is is_ours


@pytest.mark.parametrize(
    ("status", "is_redirect"), [(301, True), (308, True), (200, False), (None, False)]
)
def test_a_redirect_is_known_by_its_status(status: int | None, is_redirect: bool) -> None:
    assert Answer(status).is_redirect is is_redirect


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":{"type":"t","reason":"r"}}', Error("t", "r")),
        (b'{"error":"text"}', Error("", "text")),
        (b"<html>", Error("", "'<html>'")),
        (b"", Error("", "an empty body")),
    ],
)
def test_the_error_of_an_answer_is_its_own_or_its_beginning(body: bytes, error: Error) -> None:
    assert error_answer_of(body) == error


def test_an_excerpt_of_a_body_cannot_command_a_terminal() -> None:
    assert excerpt(b"\x1b[2J" + b"x" * 200).isprintable()
    assert len(excerpt(b"\x1b" * 10_000)) < 1000


def test_a_wait_that_is_asked_for_is_bounded() -> None:
    assert retry_after_seconds(Answer(429, {"retry-after": "9" * 400})) == 300.0
    assert retry_after_seconds(Answer(429, {"retry-after": "soon"})) is None
