"""What one large event may take, and what is answered about it."""

from __future__ import annotations

import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ptingest.model.origin import Origin
from ptingest.model.outcome import Processed
from ptingest.pipeline.pipeline import Pipeline
from ptingest.server import large_event_process as large_process
from ptingest.server.large_event_process import (
    LENGTH_BYTES,
    LargeEventTask,
    costly,
    decode_result,
    encode_frame,
    limit_resources,
    memory_file,
    memory_limit,
    process_task,
    serve,
    write_all,
)
from ptingest.settings.transfer import pack_profile
from tests.fakes.costly_events import SHAPES
from tests.support.profile import shipped_profile

ORIGIN = Origin(peer="192.0.2.7:1")


@contextmanager
def served_in_a_thread() -> Iterator[tuple[socket.socket, int, int]]:
    """Serve in a thread, without limits: those are for a process."""
    ours, theirs = socket.socketpair()
    files = memory_file("payload"), memory_file("body")
    thread = threading.Thread(target=serve, args=(theirs, *files))
    thread.start()
    try:
        yield (ours, *files)
    finally:
        ours.close()
        thread.join()
        theirs.close()
        for file in files:
            os.close(file)


def send(control: socket.socket, frame: bytes) -> None:
    control.sendall(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)


def answered(control: socket.socket) -> Any:
    size = int.from_bytes(control.recv(LENGTH_BYTES, socket.MSG_WAITALL), "big")
    return decode_result(control.recv(size, socket.MSG_WAITALL))


def test_an_answer_says_what_became_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_process, "limit_resources", lambda _: None)
    payload = SHAPES["record"](5000)
    with served_in_a_thread() as (control, payload_file, body_file):
        send(control, pack_profile(shipped_profile()))
        os.pwrite(payload_file, payload, 0)
        send(control, encode_frame(LargeEventTask(len(payload), ORIGIN, 1)))

        answer = answered(control)

        assert answer.received == {"django": 1}
        assert answer.letter is None
        assert os.pread(body_file, 1 << 20, 0)[: answer.documents[0].size].endswith(b"}")
        assert os.fstat(body_file).st_size == answer.documents[0].size


def test_without_a_profile_nothing_is_served() -> None:
    with served_in_a_thread():
        pass  # closes at once, and the thread ends


@pytest.mark.parametrize("can_be_made", [True, False], ids=["in memory", "without a name"])
def test_a_file_for_events_is_seen_by_nobody_else(
    monkeypatch: pytest.MonkeyPatch, can_be_made: bool
) -> None:
    if not can_be_made:
        monkeypatch.delattr(os, "memfd_create", raising=False)

    file = memory_file("payload")
    write_all(file, b"abc")

    assert os.pread(file, 10, 0) == b"abc"
    assert os.fstat(file).st_nlink == 0
    assert not os.get_inheritable(file)
    os.close(file)


def test_memory_that_is_not_there_makes_a_letter() -> None:
    class Greedy(Pipeline):
        def __init__(self) -> None: ...

        def process(self, *_: Any, **__: Any) -> Processed:
            raise MemoryError

    done = process_task(Greedy(), LargeEventTask(3, ORIGIN, 1), b"abc")

    assert done.dead_letters[0].reason == "event_too_costly"
    assert done.dead_letters[0].payload == b"abc"
    assert "64 MiB" in done.dead_letters[0].detail


def test_a_letter_says_how_large_the_event_is_and_how_it_ended() -> None:
    done = costly(b"abc", ORIGIN, "took more than 20 s of processor time")

    assert done.received == {"other": 1}
    assert "an event of 3 bytes took more than 20 s" in done.dead_letters[0].detail


def test_limits_grow_with_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: dict[int, int] = {}
    monkeypatch.setattr(resource, "setrlimit", lambda what, pair: limits.update({what: pair[0]}))

    limit_resources(16 << 20)

    assert limits[resource.RLIMIT_DATA] == memory_limit(16 << 20) == 256 << 20
    assert limits[resource.RLIMIT_CPU] >= large_process.CPU_SECONDS
