"""The peer's side: what is in flight, what each ack means, what no server may answer."""

from __future__ import annotations

import pytest

from ptingest.errors import PeerClosed, ProtocolError
from ptingest.lumberjack.client import AckProgress, ClientConnection
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.frames import ack_bytes
from ptingest.lumberjack.window import Limits
from tests.support.feeding import feed, in_steps


def sent(*sizes: int, has_running_seq: bool = False, version: int = 2) -> ClientConnection:
    """A client with windows of these sizes in flight."""
    client = ClientConnection(has_running_seq=has_running_seq, version=version)
    for size in sizes:
        client.send_window([b"{}"] * size)
    return client


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("level", [0, 1, 3, 6, 9])
@pytest.mark.parametrize("has_running_seq", [False, True])
def test_a_server_gets_the_windows_and_its_acks_complete_them(
    version: int, level: int, has_running_seq: bool
) -> None:
    client = ClientConnection(
        version=version, compression_level=level, has_running_seq=has_running_seq
    )
    server = ServerConnection(Limits())
    wire = client.send_window([b'{"a":"1"}', b'{"b":"2"}']) + client.send_window([b'{"c":"3"}'])

    windows = feed(server, wire)
    before = client.in_flight
    progress = client.receive_data(
        b"".join(ack_bytes(window.version, window.last_seq) for window in windows)
    )

    assert [window.payloads for window in windows] == [[b'{"a":"1"}', b'{"b":"2"}'], [b'{"c":"3"}']]
    assert [window.last_seq for window in windows] == ([2, 3] if has_running_seq else [2, 1])
    assert progress == [AckProgress(1, 2, True), AckProgress(2, 1, True)]
    assert (before, client.in_flight) == (2, 0)


@pytest.mark.parametrize("step", [1, 4, 100])
def test_partial_acks_and_keepalives_do_not_complete_a_window(step: int) -> None:
    client = sent(10, 5)
    acks = b"".join(ack_bytes(2, seq) for seq in (0, 4, 0, 3, 10, 0, 5))

    progress = [one for piece in in_steps(acks, step) for one in client.receive_data(piece)]

    assert progress == [
        AckProgress(1, 0, False),
        AckProgress(1, 4, False),
        AckProgress(1, 4, False),
        AckProgress(1, 4, False),
        AckProgress(1, 10, True),
        AckProgress(2, 0, False),
        AckProgress(2, 5, True),
    ]
    assert client.keepalives == 3


def test_a_keepalive_while_nothing_is_in_flight_is_harmless() -> None:
    client = sent()

    assert client.receive_data(ack_bytes(2, 0)) == []
    assert client.keepalives == 1


@pytest.mark.parametrize(
    ("sizes", "answer", "reason"),
    [
        ((3,), ack_bytes(2, 4), "unexpected_ack"),
        ((), ack_bytes(2, 1), "unexpected_ack"),
        ((3,), ack_bytes(1, 3), "not_an_ack"),
        ((3,), b"2J", "not_an_ack"),
        ((3,), b"HTTP/1.1 400", "not_an_ack"),
    ],
    ids=["more than sent", "nothing in flight", "other version", "other frame", "HTTP"],
)
def test_what_no_server_may_answer_is_an_error_that_stays(
    sizes: tuple[int, ...], answer: bytes, reason: str
) -> None:
    client = sent(*sizes)

    with pytest.raises(ProtocolError) as first:
        client.receive_data(answer)
    with pytest.raises(ProtocolError) as second:
        client.receive_data(b"")

    assert first.value.reason == reason
    assert second.value is first.value
    assert client.in_flight == len(sizes)


def test_a_second_final_ack_is_not_taken_for_the_next_window_when_seqs_run_on() -> None:
    client = sent(3, 3, has_running_seq=True)
    client.receive_data(ack_bytes(2, 3))

    assert client.receive_data(ack_bytes(2, 3)) == [AckProgress(2, 0, False)]
    assert client.in_flight == 1


def test_good_acks_before_a_bad_one_are_told_first() -> None:
    client = sent(3, 3)

    progress = client.receive_data(ack_bytes(2, 3) + b"2J")

    assert progress == [AckProgress(1, 3, True)]
    with pytest.raises(ProtocolError):
        client.receive_eof()


def test_running_seqs_may_wrap_to_a_last_seq_of_0() -> None:
    client = ClientConnection(has_running_seq=True, first_seq=2**32 - 2)

    client.send_window([b"{}"] * 3)

    assert client.receive_data(ack_bytes(2, 2**32 - 1)) == [AckProgress(1, 2, False)]
    assert client.receive_data(ack_bytes(2, 0)) == [AckProgress(1, 3, True)]


def test_a_close_with_windows_in_flight_is_an_error_and_without_is_not() -> None:
    sent().receive_eof()

    with pytest.raises(PeerClosed, match="2 windows"):
        sent(1, 1).receive_eof()


def test_an_empty_window_is_not_sent() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ClientConnection().send_window([])
