"""The sender that replays windows made before."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from benchmarks.replay import NotAcked, Window, prepare, replay
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits

LIMITS = Limits(window_events=4096, frame_bytes=1 << 20, window_bytes=1 << 24)


def nothing() -> None:
    return None


class Peer:
    """A server of one thread a connection that hands each window to ``answer``."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.windows: list[int] = []
        self.connections = 0

    def serve(self, connections: int) -> None:
        threads = []
        for _ in range(connections):
            accepted, _ = self._listener.accept()
            self.connections += 1
            threads.append(threading.Thread(target=self._talk, args=(accepted,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self._listener.close()

    def _talk(self, accepted: socket.socket) -> None:
        wire = ServerConnection(LIMITS)
        # Who did not like an answer is gone.
        with accepted, suppress(ConnectionError):
            while data := accepted.recv(1 << 16):
                wire.receive_data(data)
                while (window := wire.next_window()) is not None:
                    self.windows.append(len(window.payloads))
                    answer = self._answer(window.last_seq)
                    if not answer:
                        return
                    accepted.sendall(answer)


@contextmanager
def peer(answer: Callable[[int], bytes], connections: int) -> Iterator[Peer]:
    listening = Peer(answer)
    thread = threading.Thread(target=listening.serve, args=(connections,))
    thread.start()
    yield listening
    thread.join()


def ack(seq: int) -> bytes:
    return struct.pack(">2sI", b"2A", seq)


def windows(count: int, events: int = 8) -> list[Window]:
    return prepare(count * events, 1, batch=events)


def test_no_two_events_are_alike() -> None:
    made = windows(20)

    assert len({window.wire for window in made}) == 20
    assert {window.events for window in made} == {8}


def test_every_window_is_sent_once_whoever_has_room() -> None:
    with peer(ack, 3) as listening:
        done = replay([listening.port], windows(40), look=nothing, warm_up=2, connections=3)

    assert listening.windows == [8] * 40
    assert listening.connections == 3
    assert done.events == 320


def test_what_is_measured_begins_with_the_first_acks_and_ends_with_the_last_window() -> None:
    looks: list[int] = []

    def look() -> int:
        looks.append(len(looks))
        return looks[-1]

    with peer(ack, 1) as listening:
        done = replay([listening.port], windows(10), look=look, warm_up=2, connections=1, on_wire=3)

    assert looks == [0, 1]
    assert (done.begin.look, done.end.look) == (0, 1)
    # With three on the wire, up to three acks come at once. The last of ten goes out when at
    # most two of the others are unacked.
    assert 16 <= done.begin.acked <= 32
    assert 56 <= done.end.acked <= 72
    assert done.events_between == done.end.acked - done.begin.acked


def test_keepalives_and_acks_of_parts_are_no_acks() -> None:
    with peer(lambda seq: ack(0) + ack(seq - 1) + ack(seq), 1) as listening:
        done = replay([listening.port], windows(10), look=nothing, warm_up=1, connections=1)

    assert done.events == 80


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [(lambda _: b"", r"closed with \d windows unacked"), (lambda seq: ack(seq + 1), "b'2A' 9")],
    ids=["closed", "acks more than there is"],
)
def test_a_server_that_does_not_ack_what_was_sent_ends_it(
    answer: Callable[[int], bytes], complaint: str
) -> None:
    with peer(answer, 1) as listening, pytest.raises(NotAcked, match=complaint):
        replay([listening.port], windows(10), look=nothing, warm_up=1, connections=1)
