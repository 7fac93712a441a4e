"""The peer's side of one Lumberjack conversation, without a socket.

``send_window`` makes the bytes of a window and keeps track of it; ``receive_data`` reads
acks and reports the progress of the windows in flight, oldest first. The caller decides how
many windows may be in flight and how long an ack may take: a Beat has up to three in flight,
restarts its read timer with each ack frame, keepalives included, and allows 30 seconds to
write a window.

It behaves like go-lumber's client, the one in Filebeat, except that an unexpected ack is an
error here: go-lumber takes a second final ack for that of the next window and loses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ptingest.errors import PeerClosed, ProtocolError
from ptingest.lumberjack.frames import COUNTED, MAX_U32, ack_header, encode_window


class AckProgress(NamedTuple):
    """What one ack frame means for the oldest window in flight."""

    window: int
    """The window's number, counted from 1 for this connection."""
    acked: int
    """Events of it that are safe now."""
    is_complete: bool
    """The last event was acked; the window is no longer in flight."""


@dataclass(slots=True)
class _InFlight:
    number: int
    first_seq: int
    events: int
    acked: int = 0


class ClientConnection:
    """Numbers events, tracks the windows in flight and reads acks."""

    def __init__(
        self,
        *,
        version: int = 2,
        compression_level: int = 3,
        has_running_seq: bool = False,
        first_seq: int = 1,
    ) -> None:
        """Seqs begin at ``first_seq``: in each window, as Filebeat's do, or, with
        ``has_running_seq``, once for the connection, as some other clients' do.

        In version 1 each payload, a JSON object, is sent as a data frame of strings.
        """
        self._version = version
        self._compression_level = compression_level
        self._has_running_seq = has_running_seq
        self._first_seq = self._next_seq = first_seq
        self._windows_sent = 0
        self._in_flight: deque[_InFlight] = deque()
        self._received = bytearray()
        self._failure: ProtocolError | None = None
        self.keepalives = 0
        """Ack frames with seq 0 received so far."""

    @property
    def in_flight(self) -> int:
        """Windows sent whose last event was not acked."""
        return len(self._in_flight)

    def send_window(self, payloads: Sequence[bytes]) -> bytes:
        """Put ``payloads`` in flight as the next window and return the bytes to write.

        Raises ValueError for no payloads: the ack of an empty window is a keepalive.
        """
        if not payloads:
            raise ValueError("a window needs at least one payload")
        first_seq = self._next_seq if self._has_running_seq else self._first_seq
        wire = encode_window(payloads, first_seq, self._compression_level, self._version)
        self._windows_sent += 1
        self._in_flight.append(_InFlight(self._windows_sent, first_seq, len(payloads)))
        self._next_seq = (first_seq + len(payloads)) & MAX_U32
        return wire

    def receive_data(self, data: bytes) -> list[AckProgress]:
        """What the acks in ``data`` mean, in order; a frame may come in several pieces.

        Raises:
            ProtocolError: the server sent something else, or acked what was not sent. No
                window in flight is safe; close the connection and send them again. Valid
                acks before it in the same ``data`` are returned, and the next call raises.
                Later calls raise the same error.
        """
        if self._failure is not None:
            raise self._failure
        self._received += data
        progress: list[AckProgress] = []
        try:
            while len(self._received) >= COUNTED.size:
                header, seq = COUNTED.unpack_from(self._received)
                self._require_ack_header(header)
                del self._received[: COUNTED.size]
                progress += self._progress(seq)
            if len(self._received) >= 2:
                self._require_ack_header(int.from_bytes(self._received[:2], "big"))
        except ProtocolError as error:
            self._failure = error.with_traceback(None)
            if not progress:
                raise
        return progress

    def receive_eof(self) -> None:
        """The server closed; raises PeerClosed when windows are still in flight."""
        if self._failure is not None:
            raise self._failure
        if self._in_flight or self._received:
            raise PeerClosed(f"the server closed with {len(self._in_flight)} windows not acked")

    def _require_ack_header(self, header: int) -> None:
        if header != ack_header(self._version):
            raise ProtocolError(
                reason="not_an_ack",
                detail=f"the server answered {header.to_bytes(2, 'big')!r}, "
                f"expected {ack_header(self._version).to_bytes(2, 'big')!r}",
            )

    def _progress(self, seq: int) -> list[AckProgress]:
        """One ack frame: a keepalive, part of the oldest window, or the end of it."""
        oldest = self._in_flight[0] if self._in_flight else None
        if oldest is None:
            if seq:
                raise ProtocolError(
                    reason="unexpected_ack", detail=f"the server acked {seq}, nothing is in flight"
                )
            self.keepalives += 1
            return []
        acked = (seq - oldest.first_seq + 1) & MAX_U32
        if seq == 0 and acked != oldest.events:
            self.keepalives += 1
            return [AckProgress(oldest.number, oldest.acked, False)]
        if acked > oldest.events:
            last_seq = (oldest.first_seq + oldest.events - 1) & MAX_U32
            raise ProtocolError(
                reason="unexpected_ack",
                detail=f"the server acked {seq}, window {oldest.number} has "
                f"{oldest.first_seq} to {last_seq}",
            )
        # An ack below an earlier one is ignored, as in every client; the end of a window counts.
        oldest.acked = max(oldest.acked, acked)
        is_complete = acked == oldest.events
        if is_complete:
            self._in_flight.popleft()
        return [AckProgress(oldest.number, oldest.acked, is_complete)]
