"""The states of one Beat's connection, what it may do in each, and what moves it on.

The columns are the states, CONNECTED first; a row says which state a cause leads to. "-": the
cause does not occur in that state.

                     CONNECTED    OPEN         CLOSING      DISCARDING   CLOSED
    ADMITTED         OPEN         -            -            -            -
    REJECTED         CLOSED       -            -            -            -
    CLOSE            -            CLOSING      CLOSING      DISCARDING   CLOSED
    ALL_ACKED        -            OPEN         DISCARDING   DISCARDING   CLOSED
    LOST             CLOSED       CLOSED       CLOSED       CLOSED       CLOSED

    takes windows    no           yes          no           no           no
    sends acks       no           yes          yes          no           no

A state is never left backwards. CLOSING takes nothing more and sends the acks of windows that
were complete; it ends with the last window that waits for an ack, whether that is acked or given
up, so no window can keep a closing connection. DISCARDING has sent FIN and reads what still
comes for a bounded time, since unread input would make the kernel send a reset.

CONNECTED begins after the handshake and lasts for one call, in which the server admits the
connection or rejects it. The peer's half-close (``reader.is_eof``) is no state: it may come in any
state, and what the connection may do stays the same. A peer that sent FIN still waits for acks, so
OPEN takes the windows that came before the FIN and closes after them, and CLOSING sends its acks;
only DISCARDING has nothing more to wait for then.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple


class ConnectionState(enum.Enum):
    """How far a connection is between its handshake and its end."""

    CONNECTED = enum.auto()
    """The handshake is over; whether the connection is admitted is not decided."""
    OPEN = enum.auto()
    CLOSING = enum.auto()
    DISCARDING = enum.auto()
    CLOSED = enum.auto()


class Cause(enum.Enum):
    """What can move a connection on."""

    ADMITTED = enum.auto()
    REJECTED = enum.auto()
    """A limit is reached, or its certificate is not allowed."""
    CLOSE = enum.auto()
    """The end of the stream, a broken frame, a deadline, a failed window, a shutdown."""
    ALL_ACKED = enum.auto()
    """No window waits for its ack (any more)."""
    LOST = enum.auto()
    """The transport is closed."""


class May(NamedTuple):
    """What a connection may do in a state."""

    take_windows: bool
    """Bytes are kept and cut into windows; otherwise they are read and dropped."""
    send_acks: bool
    """Acks and keepalives are written and deadlines hold."""


CONNECTED: Final = ConnectionState.CONNECTED
OPEN: Final = ConnectionState.OPEN
CLOSING: Final = ConnectionState.CLOSING
DISCARDING: Final = ConnectionState.DISCARDING
CLOSED: Final = ConnectionState.CLOSED

MAY: Final[Mapping[ConnectionState, May]] = {
    CONNECTED: May(take_windows=False, send_acks=False),
    OPEN: May(take_windows=True, send_acks=True),
    CLOSING: May(take_windows=False, send_acks=True),
    DISCARDING: May(take_windows=False, send_acks=False),
    CLOSED: May(take_windows=False, send_acks=False),
}

TRANSITIONS: Final[Mapping[Cause, Mapping[ConnectionState, ConnectionState]]] = {
    Cause.ADMITTED: {CONNECTED: OPEN},
    Cause.REJECTED: {CONNECTED: CLOSED},
    Cause.CLOSE: {OPEN: CLOSING, CLOSING: CLOSING, DISCARDING: DISCARDING, CLOSED: CLOSED},
    Cause.ALL_ACKED: {OPEN: OPEN, CLOSING: DISCARDING, DISCARDING: DISCARDING, CLOSED: CLOSED},
    Cause.LOST: dict.fromkeys(ConnectionState, CLOSED),
}


class Lifecycle:
    """The state of one connection and the first reason given for its end."""

    __slots__ = ("may", "reason", "state")

    def __init__(self) -> None:
        self.state = CONNECTED
        self.may = MAY[CONNECTED]
        self.reason: str | None = None
        """Why it closes or closed; None before that."""

    def move(self, cause: Cause, reason: str | None = None) -> bool:
        """Move on by the table; return whether that changed the state.

        A ``reason`` is kept unless there is one already.
        """
        before, self.state = self.state, TRANSITIONS[cause][self.state]
        self.may = MAY[self.state]
        self.reason = self.reason or reason
        return self.state is not before
