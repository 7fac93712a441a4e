"""Runs the pipeline on large events in a process of its own, one at a time.

    python -m ptingest.server.large_event_process CONTROL PAYLOAD BODY    three inherited fds

    CONTROL   a socket of frames: the profile, then for each event a LargeEventTask and its result
    PAYLOAD   a file in memory with the event; BODY one for its document

So a costly event blocks no event loop. Processor time and memory are limited: an event that
exceeds the first ends this process, one that exceeds the second becomes a dead letter. The
process exits when CONTROL ends, since its parent is gone then.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import sys
import tempfile
from collections.abc import Sequence

import msgspec

from ptingest.model.document import Target
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, DropReason, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.authorize import process_permitted
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Pipeline, as_it_came
from ptingest.server.process.malloc import return_large_blocks
from ptingest.settings.transfer import unpack_profile

LENGTH_BYTES = 4
CPU_SECONDS = 20
"""Limit for one event; 16 MiB take a twentieth of it."""
BASE_MEMORY_BYTES = 64 << 20
MEMORY_SHARE = 12
"""Memory that one event may use, as a multiple of its size, beside ``BASE_MEMORY_BYTES``."""
NICENESS = 10
"""Nice value, so that the event loop has priority."""

TOO_COSTLY = "event_too_costly"


class LargeEventTask(msgspec.Struct):
    """One event, the first ``size`` bytes of PAYLOAD."""

    size: int
    origin: Origin
    now_ns: int


class DocumentHead(msgspec.Struct):
    """A document whose body is the next ``size`` bytes of BODY, and its text what follows."""

    target: Target
    key: str | None
    service: str
    routing: str | None
    size: int
    text_size: int | None = None


class LargeEventResult(msgspec.Struct):
    """`Processed` without the bytes that its sender has."""

    received: dict[str, int]
    dropped: list[tuple[str, DropReason, int]]
    tallies: list[tuple[str, str, int]]
    documents: list[DocumentHead] = []
    is_spread: bool = False
    letter: DeadLetter | None = None


encode_frame = msgspec.msgpack.Encoder().encode
decode_result = msgspec.msgpack.Decoder(LargeEventResult).decode
_decode_work = msgspec.msgpack.Decoder(LargeEventTask).decode


def result_of(processed: Processed, body_file: int) -> LargeEventResult:
    """Write the bodies to their file; return everything else."""
    answer = LargeEventResult(
        processed.received,
        [(service, reason, count) for (service, reason), count in processed.dropped.items()],
        [(service, what, count) for (service, what), count in processed.tallies.items()],
        is_spread=processed.is_spread,
    )
    at = 0
    for one in processed.documents:
        written = one.body + (one.text or b"")
        write_all(body_file, written, at)
        at += len(written)
        text_size = None if one.text is None else len(one.text)
        head = DocumentHead(
            one.target, one.key, one.service, one.routing, len(one.body), text_size
        )  # fmt: skip
        answer.documents.append(head)
    for letter in processed.dead_letters:
        answer.letter = msgspec.structs.replace(letter, payload=b"")
    return answer


def process_task(pipeline: Pipeline, work: LargeEventTask, payload: bytes) -> Processed:
    """Process one event as the flow does; one that needs too much memory becomes a letter."""
    receipt = Receipt(lambda _: None)
    try:
        return process_permitted(
            pipeline, [payload], receipt=receipt, origin=work.origin, now_ns=work.now_ns
        )
    except MemoryError:
        megabytes = memory_limit(len(payload)) >> 20
        return costly(payload, work.origin, f"took more than {megabytes} MiB of memory")


def costly(payload: bytes, origin: Origin, how: str) -> Processed:
    """Make a dead letter of an event that costs too much."""
    detail = f"an event of {len(payload)} bytes {how}; look at it, and requeue it once changed"
    return as_it_came(payload, peer=origin.peer, reason=TOO_COSTLY, detail=detail)


def memory_limit(size: int) -> int:
    """Bytes of memory for an event of this size."""
    return BASE_MEMORY_BYTES + MEMORY_SHARE * size


def limit_resources(size: int) -> None:
    """Limit processor time and memory for one event of this size."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    # Where a sandbox forbids it, only the parent's deadline limits it.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit(size), resource.RLIM_INFINITY))


def serve(control: socket.socket, payload_file: int, body_file: int) -> None:
    """Serve tasks until the other end of ``control`` is gone."""
    profile = _read_frame(control)
    if not profile:
        return
    pipeline = compile_profile(unpack_profile(profile))
    while (frame := _read_frame(control)) is not None:
        work = _decode_work(frame)
        limit_resources(work.size)
        processed = process_task(pipeline, work, os.pread(payload_file, work.size, 0))
        answer = encode_frame(result_of(processed, body_file))
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


def memory_file(name: str) -> int:
    """Return the descriptor of a new file in memory.

    A CPython that was built for old systems cannot make one, as those that uv installs: the file
    is then one without a name in the folder for temporary files.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def write_all(file: int, data: bytes, at: int = 0) -> None:
    """Write ``data`` to a place of a file."""
    view, done = memoryview(data), 0
    while done < len(data):
        done += os.pwrite(file, view[done:], at + done)


def main(arguments: Sequence[str]) -> int:
    """Serve on the inherited descriptors."""
    control, payload_file, body_file = map(int, arguments)
    with contextlib.suppress(OSError, ValueError):
        os.nice(NICENESS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return_large_blocks()
    # Collections would traverse millions of small objects again and again; events have no cycles.
    gc.disable()
    with socket.socket(fileno=control) as connection, contextlib.suppress(ConnectionError):
        serve(connection, payload_file, body_file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
