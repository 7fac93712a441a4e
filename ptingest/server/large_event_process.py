"""Takes large events through the pipeline in a process of its own, one at a time.

    python -m ptingest.server.large_event_process CONTROL PAYLOAD BODY    three inherited fds

    CONTROL   a socket of frames: the profile, then a Work for each event, and an Answer back
    PAYLOAD   a file in memory that holds the event; BODY one that gets its document

Whatever an event makes the pipeline compute holds no event loop here. It may use so much
processor time and so much memory: what exceeds the first ends this process, what exceeds
the second becomes a dead letter. When CONTROL ends, its parent is gone, and so are we.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import sys
from collections.abc import Sequence

import msgspec

from ptingest.model.document import DataStream
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, DropReason, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.authorize import process_permitted
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Pipeline, as_it_came
from ptingest.server.process.malloc import give_back_large_blocks
from ptingest.settings.transfer import unpack_profile

LENGTH_BYTES = 4
CPU_SECONDS = 20
"""For one event; a linear pipeline takes a twentieth of it for 16 MiB."""
BASE_MEMORY_BYTES = 64 << 20
MEMORY_SHARE = 12
"""Memory that one event may take, as a multiple of its size, beside what is there anyway."""
POLITE = 10
"""How far below the event loop's our priority is."""

TOO_COSTLY = "event_too_costly"


class Work(msgspec.Struct):
    """One event: so many bytes of PAYLOAD."""

    size: int
    origin: Origin
    now_ns: int


class Made(msgspec.Struct):
    """A document whose body is so many bytes of BODY."""

    data_stream: DataStream
    key: str | None
    service: str
    size: int


class Answer(msgspec.Struct):
    """What became of it: `Processed` without the bytes that its sender has."""

    received: dict[str, int]
    dropped: list[tuple[str, DropReason, int]]
    tallies: list[tuple[str, str, int]]
    document: Made | None = None
    letter: DeadLetter | None = None


encode_frame = msgspec.msgpack.Encoder().encode
decode_answer = msgspec.msgpack.Decoder(Answer).decode
_decode_work = msgspec.msgpack.Decoder(Work).decode


def answer_of(processed: Processed, body_file: int) -> Answer:
    """Put the body into its file, and everything else into an answer."""
    answer = Answer(
        processed.received,
        [(service, reason, count) for (service, reason), count in processed.dropped.items()],
        [(service, what, count) for (service, what), count in processed.tallies.items()],
    )
    for document in processed.documents:
        write_all(body_file, document.body)
        answer.document = Made(
            document.data_stream, document.key, document.service, len(document.body)
        )
    for letter in processed.dead_letters:
        answer.letter = msgspec.structs.replace(letter, payload=b"")
    return answer


def work_through(pipeline: Pipeline, work: Work, payload: bytes) -> Processed:
    """Do what the flow does with any other event; what takes too much memory is a letter."""
    receipt = Receipt(lambda _: None)
    try:
        return process_permitted(
            pipeline, [payload], receipt=receipt, origin=work.origin, now_ns=work.now_ns
        )
    except MemoryError:
        megabytes = memory_limit(len(payload)) >> 20
        return costly(payload, work.origin, f"took more than {megabytes} MiB of memory")


def costly(payload: bytes, origin: Origin, how: str) -> Processed:
    """Make a letter of an event that cannot be worked on."""
    detail = f"an event of {len(payload)} bytes {how}; look at it, and requeue it once changed"
    return as_it_came(payload, peer=origin.peer, reason=TOO_COSTLY, detail=detail)


def memory_limit(size: int) -> int:
    """Bytes of memory for an event of this size."""
    return BASE_MEMORY_BYTES + MEMORY_SHARE * size


def limit_resources(size: int) -> None:
    """Allow what one event of this size may take."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    # Where a sandbox forbids it, the parent's deadline remains.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit(size), resource.RLIM_INFINITY))


def serve(control: socket.socket, payload_file: int, body_file: int) -> None:
    """Answer until the other end of ``control`` is gone."""
    profile = _read_frame(control)
    if not profile:
        return
    pipeline = compile_profile(unpack_profile(profile))
    while (frame := _read_frame(control)) is not None:
        work = _decode_work(frame)
        limit_resources(work.size)
        processed = work_through(pipeline, work, os.pread(payload_file, work.size, 0))
        answer = encode_frame(answer_of(processed, body_file))
        del processed
        control.sendall(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)


def _read_frame(control: socket.socket) -> bytes | None:
    head = _read_exactly(control, LENGTH_BYTES)
    return head and _read_exactly(control, int.from_bytes(head, "big"))


def _read_exactly(control: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = control.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def write_all(file: int, data: bytes) -> None:
    """Make a file begin with ``data``."""
    view, at = memoryview(data), 0
    while at < len(data):
        at += os.pwrite(file, view[at:], at)


def main(arguments: Sequence[str]) -> int:
    """Serve on the descriptors that were inherited."""
    control, payload_file, body_file = map(int, arguments)
    with contextlib.suppress(OSError, ValueError):
        os.nice(POLITE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    give_back_large_blocks()
    # Millions of small objects would be looked through time and again; events make no cycles.
    gc.disable()
    with socket.socket(fileno=control) as channel, contextlib.suppress(ConnectionError):
        serve(channel, payload_file, body_file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
