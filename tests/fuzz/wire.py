"""What must hold of bytes that strangers send before anything is known of them.

Each function takes any bytes, raises only where a promise is broken, and is called alike
by hypothesis (``make test``) and by the coverage-guided fuzzer (``make fuzz``).
"""

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from itertools import pairwise

from ptingest.errors import ConnectionRejected, PeerClosed, ProtocolError
from ptingest.lumberjack.client import ClientConnection
from ptingest.lumberjack.connection import MAX_IDLE_WINDOWS, ServerConnection
from ptingest.lumberjack.frames import MAX_U32
from ptingest.lumberjack.window import ODDITIES, Limits, Window
from ptingest.sources.proxy_protocol import V1_BYTES, V2_BODY_BYTES, V2_HEAD_BYTES, read_header
from tests.support.feeding import SMALL, acks, given_out, inflate, joined

WINDOWS_MOST = 100_000
STRETCHED = replace(SMALL, stretch_bytes=50)
"""As a server that gives its loop a turn after every few events."""
HELD_MOST = 2 * SMALL.frame_bytes + 16 + 3 * SMALL.part_bytes
"""One frame that waits, one window's inflated events, one part being handed out."""


def decoder(data: bytes) -> None:
    """The first byte says how the rest is split into reads; the split changes nothing."""
    seed, wire = data[:1], data[1:]
    whole, error = conversation([wire])
    in_pieces, same_error = conversation(pieces(wire, random.Random(seed)))

    assert answers(in_pieces) == answers(whole), "windows depend on how the bytes arrive"
    # Which of two faults of one frame is told may depend on how much of it was there.
    assert (error is None) == (same_error is None)

    in_stretches, same_error = conversation([wire], limits=STRETCHED)
    assert in_stretches == whole, "windows depend on how much is done at a time"
    assert getattr(error, "reason", None) == getattr(same_error, "reason", None)

    slow, _ = conversation(pieces(wire, random.Random(seed)), is_slow=True)
    events = [payload for window in slow for payload in window.payloads]
    in_time = [payload for window in whole for payload in window.payloads]
    assert in_time[: len(events)] == events or events[: len(in_time)] == in_time


def conversation(
    reads: list[bytes], *, is_slow: bool = False, limits: Limits = SMALL
) -> tuple[list[Window], ProtocolError | None]:
    """Every window of one connection and what ended it, checked at each step.

    A slow peer is quiet after each read, so that part-filled windows may be given out.
    """
    connection = ServerConnection(limits)
    windows: list[Window] = []
    received = 0
    try:
        for read in reads:
            connection.receive_data(read)
            received += len(read)
            for window in given_out(connection):
                windows.append(window)
                assert len(windows) <= WINDOWS_MOST, "it gives out windows without end"
                assert connection.received_bytes <= HELD_MOST
            check_progress(windows, received)
            assert connection.received_bytes <= HELD_MOST
            if is_slow and (quiet := connection.quiet_window()) is not None:
                assert quiet.is_last
                assert "quiet_window" in quiet.odd
                windows.append(quiet)
        connection.receive_eof()
        windows.extend(given_out(connection))
    except ProtocolError as error:
        check_end(connection, error)
        check_windows(windows)
        return windows, error
    assert connection.received_bytes == 0
    check_windows(windows)
    return windows, None


def check_progress(windows: list[Window], received: int) -> None:
    """Each window costs bytes; only so many can be had for the bytes of one."""
    events = sum(len(window.payloads) for window in windows)
    idle = sum(not window.payloads for window in windows)
    assert idle <= received / 6 + (events + 1) * MAX_IDLE_WINDOWS


def check_windows(windows: list[Window]) -> None:
    """An ack answers exactly the events that were announced, unless it says why not."""
    for window in joined(windows):
        is_short = len(window.payloads) < window.announced
        assert len(window.payloads) <= window.announced <= SMALL.window_events
        assert not is_short or {"short_window", "quiet_window"} & set(window.odd)
        assert set(window.odd) <= set(ODDITIES)
        assert 0 <= window.last_seq <= MAX_U32
        assert max(map(len, window.payloads), default=0) <= 6 * SMALL.frame_bytes


def check_end(connection: ServerConnection, error: ProtocolError) -> None:
    assert error.reason
    assert str(error)
    assert connection.received_bytes == 0, "a broken connection still holds memory"
    assert not connection.is_frame_open
    connection.receive_data(b"2W\0\0\0\1")
    try:
        connection.next_window()
    except ProtocolError as again:
        assert again is error
    else:
        raise AssertionError("a broken connection went on")


def answers(windows: list[Window]) -> list[tuple[list[bytes], int]]:
    whole = joined(windows)
    assert len(acks(windows)) == len(whole)
    return [(window.payloads, window.last_seq) for window in whole]


def pieces(wire: bytes, chance: random.Random) -> list[bytes]:
    """``wire`` in reads of any sizes, mostly few, now and then single bytes."""
    if chance.random() < 0.3 and len(wire) < 2000:
        return [wire[at : at + 1] for at in range(len(wire))]
    cuts = {chance.randint(0, len(wire)) for _ in range(chance.randint(0, 9))}
    return [wire[start:end] for start, end in pairwise(sorted({0, *cuts, len(wire)}))]


def inflater(data: bytes) -> None:
    """What we inflate is what zlib inflates; what zlib refuses, so do we."""
    hold, limit = 512, 4096
    try:
        ours = inflate(data, hold=hold, limit=limit)
    except ProtocolError as error:
        assert error.reason
        theirs = by_zlib(data, limit)
        # zlib was stopped at the limit, so what is broken behind it was not seen.
        assert not theirs or len(theirs) > limit, f"zlib takes it: {error}"
        return
    theirs = by_zlib(data, limit)
    assert theirs is not None, "zlib refuses it"
    assert ours.size == len(theirs) <= limit
    assert ours.data == (theirs if len(theirs) <= hold else None)


def by_zlib(data: bytes, limit: int) -> bytes | None:
    """The standard library's opinion: the whole stream, or None where it is not sound.

    It is shown the largest window, since a smaller one than was used harms nobody.
    """
    decompressor = zlib.decompressobj()
    is_zlib = len(data) > 2 and data[0] & 0x8F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
    if is_zlib and not data[1] & 0x20:
        data = b"\x78\x9c" + data[2:]
    try:
        inflated = decompressor.decompress(data, limit + 1)
    except zlib.error:
        return None
    return inflated if decompressor.eof or len(inflated) > limit else None


def acks_to_client(data: bytes) -> None:
    """A server may answer anything: what is acked was sent, and never more than once."""
    client = ClientConnection(first_seq=1 if data[:1] < b"\x80" else MAX_U32)
    sent = [client.send_window([b"{}"] * count) for count in (1, 2, 5)]
    complete: list[int] = []
    try:
        for read in pieces(data[1:], random.Random(data[:1])):
            progress = client.receive_data(read)
            complete += [step.window for step in progress if step.is_complete]
        client.receive_eof()
    except (ProtocolError, PeerClosed) as error:
        assert str(error)
    assert complete == list(range(1, len(complete) + 1))
    assert client.in_flight == len(sent) - len(complete)


def proxy_header(data: bytes) -> None:
    """One header is read to its last byte and no further, and means what it says."""
    address, read = run_header(data)
    if address is None:
        return
    ip, port = address
    assert 0 <= port <= 65535
    assert ip.isprintable()
    assert "%" not in ip, "a zone names an interface of the sender's, not of ours"
    assert run_header(data[:read]) == (address, read), "it depends on what follows"


def run_header(data: bytes) -> tuple[tuple[str, int] | None, int]:
    """Drive the reader without a loop: whatever it asks for is there at once."""
    at = 0

    async def read(count: int) -> bytes:
        nonlocal at
        assert count >= 0
        start, at = at, min(at + count, len(data))
        return data[start:at]

    reader = read_header(read)
    try:
        reader.send(None)
    except StopIteration as done:
        assert at <= max(V1_BYTES, V2_HEAD_BYTES + V2_BODY_BYTES)
        return done.value, at
    except ConnectionRejected as error:
        assert error.reason
        assert str(error).isprintable()
        return None, at
    raise AssertionError("it waits for something else than bytes")
