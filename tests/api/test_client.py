"""The client for a server's HTTP port, against answers that are not as they should be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ptingest.api.client import HttpAnswer, ServerClient
from ptingest.errors import RequestInvalid, ServerUnreachable, TokenRefused
from ptingest.settings.api import ApiSettings
from tests.fakes.http_stub import HttpStub


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """HttpAnswer one request with these bytes and close."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with listening.accept()[0] as connection:
                said = b""
                while b'\r\n\r\n{"a":1}' not in said:
                    said += connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def http(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def client_for(address: str) -> ServerClient:
    return ServerClient(ApiSettings().model_copy(update={"listen": address}), seconds=10)


def post(address: str) -> bytes:
    with client_for(address) as client:
        return client.read(client.open_ok("POST", "/x", {"a": 1}))


def test_an_answer_is_returned() -> None:
    with answering(http(b"200 OK", b"yes")) as address:
        assert post(address) == b"yes"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(b"403 Forbidden", b'{"error": "not for you"}'), "answers 403: not for you"),
        (http(b"404 Not Found", b"nothing here"), "answers 404: nothing here"),
        (http(b"500 Oh", b"\xff"), "answers 500: \ufffd"),
        (b"SSH-2.0-OpenSSH\r\n", "no server answers"),
        (b"", "no server answers"),
    ],
    ids=["a refusal", "no such path", "not UTF-8", "something else", "nothing"],
)
def test_why_there_is_no_answer_is_said(answer: bytes, words: str) -> None:
    with answering(answer) as address, pytest.raises(ServerUnreachable, match=words):
        post(address)


def test_a_question_without_sense_says_why() -> None:
    with (
        answering(http(b"400 Bad Request", b'{"error": "column 3"}')) as address,
        pytest.raises(RequestInvalid, match="column 3"),
    ):
        post(address)


@pytest.mark.parametrize("address", ["host:", "host:http", "host:0", "host:70000", "nowhere"])
def test_what_is_not_an_address_says_so(address: str) -> None:
    with pytest.raises(RequestInvalid, match="is not HOST:PORT"):
        client_for(address)


@pytest.mark.parametrize(
    ("listen", "where"),
    [
        ("0.0.0.0:9600", "127.0.0.1:9600"),
        ("[::]:9600", "::1:9600"),
        (":9600", "127.0.0.1:9600"),
        ("10.1.1.1:80", "10.1.1.1:80"),
    ],
)
def test_a_server_on_all_addresses_is_asked_on_loopback(listen: str, where: str) -> None:
    assert client_for(listen).where == where


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "wants its token \\(api.token\\), and none was given; give it: --token-file"),
        ("another-token", "refuses the token: it has another api.token; correct it"),
    ],
)
def test_a_token_that_is_missing_or_wrong_is_told_as_such(token: str | None, words: str) -> None:
    api = ApiSettings.model_validate({"token": token})
    with HttpStub(401, {"WWW-Authenticate": "Bearer"}) as stub:
        listen = {"listen": f"127.0.0.1:{stub.port}"}
        with (
            ServerClient(api.model_copy(update=listen), seconds=10) as client,
            pytest.raises(TokenRefused, match=words),
        ):
            client.fetch("GET", "/status")


def test_after_many_wrong_tokens_it_is_said_how_long_to_wait() -> None:
    with (
        HttpStub(429, {"Retry-After": "17"}) as stub,
        client_for(f"127.0.0.1:{stub.port}") as client,
        pytest.raises(TokenRefused, match="no token from here for 17 s"),
    ):
        client.fetch("GET", "/status")


def test_another_program_that_wants_a_login_is_not_taken_for_a_server() -> None:
    with HttpStub(401, {"WWW-Authenticate": 'Basic realm="x"'}, body=b"{}") as stub:
        with client_for(f"127.0.0.1:{stub.port}") as client:
            assert client.fetch("GET", "/status").status == 401


def test_any_status_can_be_fetched() -> None:
    with HttpStub(503, body=b"{}") as stub, client_for(f"127.0.0.1:{stub.port}") as client:
        assert client.fetch("GET", "/readyz") == HttpAnswer(503, b"{}")


def test_a_get_wants_200() -> None:
    with (
        HttpStub(503, body=b"no") as stub,
        client_for(f"127.0.0.1:{stub.port}") as client,
        pytest.raises(ServerUnreachable, match="/status answers 503: no"),
    ):
        client.get("/status")


def test_an_answer_that_is_not_json_comes_from_another_program() -> None:
    client = client_for("127.0.0.1:9600")

    assert client.as_json(b'{"a": 1}') == {"a": 1}
    with pytest.raises(ServerUnreachable, match="does not answer like ptingest"):
        client.as_json(b"<html>")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(status: int) -> None:
    with (
        HttpStub() as other,
        HttpStub(status, {"Location": f"{other.url}/status"}) as stub,
        client_for(f"127.0.0.1:{stub.port}") as client,
        pytest.raises(ServerUnreachable) as raised,
    ):
        client.get("/status")

    assert f"{stub.url} answers {status} to {other.url}: write that into api.listen" in str(
        raised.value
    )
    assert other.requests == []


def test_an_answer_without_end_is_given_up() -> None:
    with (
        HttpStub(body=b"x" * 100_000) as stub,
        client_for(f"127.0.0.1:{stub.port}") as client,
        pytest.raises(ServerUnreachable, match="an answer of more than 0 MiB"),
    ):
        client.fetch("GET", "/status", most=99_999)
