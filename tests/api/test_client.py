"""Our own port's answers, read from a server that is somebody else."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ptingest.api.client import read_whole, redirected
from tests.fakes.http_stub import HttpStub


@contextmanager
def answered(
    stub: HttpStub,
) -> Iterator[tuple[http.client.HTTPConnection, http.client.HTTPResponse]]:
    connection = http.client.HTTPConnection("127.0.0.1", stub.port, timeout=10)
    connection.request("GET", "/status")
    try:
        yield connection, connection.getresponse()
    finally:
        connection.close()


def test_a_redirect_is_told_and_not_followed() -> None:
    with (
        HttpStub() as other,
        HttpStub(302, {"Location": f"{other.url}/status"}) as stub,
        answered(stub) as (connection, answer),
    ):
        said = redirected(answer, connection, "/status")

    assert said is not None
    assert f"{stub.url} answers 302 to {other.url}: write that into api.listen" in said
    assert other.requests == []


def test_any_other_answer_is_no_redirect() -> None:
    with HttpStub(body=b"{}") as stub, answered(stub) as (connection, answer):
        assert redirected(answer, connection, "/status") is None
        assert read_whole(answer) == b"{}"


def test_an_answer_without_end_is_given_up() -> None:
    with (
        HttpStub(body=b"x" * 100_000) as stub,
        answered(stub) as (_, answer),
        pytest.raises(http.client.HTTPException, match="an answer of more than 0 MiB"),
    ):
        read_whole(answer, most=99_999)
