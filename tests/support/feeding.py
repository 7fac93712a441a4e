"""Driving a server connection as a shell does: some bytes, then every window there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ptingest.errors import ProtocolError
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.inflate import Inflated, Verification
from ptingest.lumberjack.window import Limits, Window

SMALL = Limits(window_events=64, frame_bytes=4096, window_bytes=16384, pairs=8, part_bytes=2048)
"""Limits that a test can reach; every one of them is above what a plain window needs."""


def drain(connection: ServerConnection) -> list[Window]:
    """Every window that can be had without more bytes."""
    return list(given_out(connection))


def given_out(connection: ServerConnection) -> Iterator[Window]:
    """The same one at a time, however many calls each takes."""
    while True:
        window = connection.next_window()
        if window is not None:
            yield window
        elif not connection.is_halfway:
            return


def feed(connection: ServerConnection, *pieces: bytes) -> list[Window]:
    """The windows that come out while ``pieces`` go in one after the other."""
    windows = []
    for piece in pieces:
        connection.receive_data(piece)
        windows += drain(connection)
    return windows


def windows_and_error(
    wire: bytes, limits: Limits = SMALL, step: int | None = None
) -> tuple[list[Window], ProtocolError | None]:
    """What comes out of ``wire``, and the error that ends it, if one does."""
    connection = ServerConnection(limits)
    windows: list[Window] = []
    try:
        for piece in in_steps(wire, step or max(len(wire), 1)):
            connection.receive_data(piece)
            while (window := connection.next_window()) is not None:
                windows.append(window)
    except ProtocolError as error:
        return windows, error
    return windows, None


def inflate(stream: bytes, *, hold: int, limit: int) -> Inflated:
    """One whole frame's stream, verified in one go."""
    inflated = Verification(stream, hold=hold, limit=limit, setting="x").advance(limit + 1)
    assert inflated is not None
    return inflated


def in_steps(wire: bytes, step: int) -> Iterator[bytes]:
    """``wire`` in reads of ``step`` bytes."""
    return (wire[start : start + step] for start in range(0, len(wire), step))


def joined(windows: Iterable[Window]) -> list[Window]:
    """Parts of large windows put together, so that only whole windows are left."""
    whole: list[Window] = []
    payloads: list[bytes] = []
    odd: tuple[str, ...] = ()
    for window in windows:
        payloads += window.payloads
        odd += window.odd
        if window.is_last:
            whole.append(window._replace(payloads=payloads, odd=odd))
            payloads, odd = [], ()
    return whole


def acks(windows: list[Window]) -> list[int]:
    """What a shell would ack."""
    return [window.last_seq for window in windows if window.is_last]
