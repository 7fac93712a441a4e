from __future__ import annotations

import pytest

from ptingest.sinks.elasticsearch.answer import (
    Answer,
    Error,
    cure_of_something_else,
    error_answer_of,
    excerpt,
    retry_after_seconds,
    something_else,
)
from ptingest.sinks.elasticsearch.dialect import OPENSEARCH

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
    assert answer.is_from_cluster is is_ours


JSON = {"content-type": "application/json; charset=UTF-8"}
NEWER = {**JSON, "x-opensearch-version": "OpenSearch/3.9.0 (opensearch)"}
REALM = {"www-authenticate": 'Basic realm="OpenSearch Security"'}
ROOT = b'{"name":"n","version":{"distribution":"opensearch","number":"2.19.6"}}'


@pytest.mark.parametrize(
    ("answer", "is_ours"),
    [
        (Answer(200, NEWER), True),
        (Answer(503, NEWER, b"any"), True),
        (Answer(200, JSON, b'{"items":[]}'), True),
        (Answer(429, JSON, b'{"error":{"type":"rejected_execution_exception"}}'), True),
        (Answer(429, JSON, b'{"message":"Too many requests"}'), False),
        (Answer(503, {"content-type": "text/html"}, b"<html>"), False),
        (Answer(401, REALM, b"Unauthorized"), True),
        (Answer(401, {"www-authenticate": "Basic realm=proxy"}, b"Unauthorized"), False),
        (Answer(403, JSON, SECURITY), True),
        (Answer(200, {**JSON, "x-elastic-product": "Elasticsearch"}), False),
    ],
)
def test_opensearch_is_known_by_its_header_or_the_shape_of_its_answers(
    answer: Answer, is_ours: bool
) -> None:
    assert answer._replace(dialect=OPENSEARCH).is_from_cluster is is_ours


@pytest.mark.parametrize(
    ("answer", "said", "cure"),
    [
        (Answer(200, JSON, ROOT), "OpenSearch answers", "under sinks.opensearch instead"),
        (Answer(400, NEWER), "OpenSearch answers", "under sinks.opensearch instead"),
        (
            Answer(200, {"x-elastic-product": "Elasticsearch"}, dialect=OPENSEARCH),
            "Elasticsearch answers",
            "under sinks.elasticsearch instead",
        ),
        (Answer(502, {}, b"<html>"), "no X-Elastic-Product header", "let the proxy pass"),
        (Answer(502, {}, b"<html>", dialect=OPENSEARCH), "(status 502)", "sinks.opensearch.hosts"),
    ],
)
def test_who_answers_instead_is_named_with_the_cure(answer: Answer, said: str, cure: str) -> None:
    assert said in something_else(answer)
    assert cure in cure_of_something_else(answer)


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
