"""The states of one server-side conversation, and what each input makes of them.

The columns are the states it may be in, BETWEEN first; a row says which state an input leads
to. "-": the input is not read in that state.

                    BETWEEN    ANNOUNCED  FILLING    ENDED      FAILED
    WINDOW          ANNOUNCED  ANNOUNCED  BETWEEN    -          -
    EMPTY_WINDOW    BETWEEN    BETWEEN    BETWEEN    -          -
    EVENTS          FILLING    FILLING    FILLING    -          -
    LAST_EVENT      BETWEEN    BETWEEN    BETWEEN    -          -
    COMPRESSED      BETWEEN    ANNOUNCED  FILLING    -          -
    NESTED          FAILED     FAILED     FAILED     -          -
    ACK             FAILED     FAILED     FAILED     -          -
    UNKNOWN         FAILED     FAILED     FAILED     -          -
    SILENCE         -          -          BETWEEN    -          -
    END             ENDED      ENDED      -          -          -
    TRUNCATED       FAILED     FAILED     FAILED     -          -

EMPTY_WINDOW and LAST_EVENT give out a window. WINDOW, EMPTY_WINDOW and SILENCE give out the
short window that was FILLING; the window frame then stays in place and is read again BETWEEN
windows. SILENCE is an input only for peers that leave windows part-filled. END is one in
ANNOUNCED only for version 1, whose clients may announce a stream that never comes.

A frame may fail for other reasons than its kind: its length, its number of events, its
version, a broken zlib stream. Those are checks at the frame and not part of this table.

Only the tests look up NESTED, ACK, UNKNOWN and TRUNCATED: they give each of them to a real
connection and compare the state it is in then with this table. In the package these inputs raise
`ProtocolError` where the frame is read, and each `ProtocolError` leads to FAILED: finding out
which input it was, for a state that is always the same, would cost time at each frame.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class WireState(enum.Enum):
    """Where a conversation is between two frames."""

    __hash__ = object.__hash__  # a key of each lookup; Enum's own is a call in Python

    BETWEEN = enum.auto()
    """No window is open: before the first one, and after each."""
    ANNOUNCED = enum.auto()
    """A window frame came, and no event after it yet."""
    FILLING = enum.auto()
    """Events of the open window came, and more are missing."""
    ENDED = enum.auto()
    """The peer has closed and everything it sent was given out."""
    FAILED = enum.auto()
    """The peer broke the format. Nothing is read any more."""


class Input(enum.Enum):
    """What can come next."""

    WINDOW = enum.auto()
    """A window frame that announces at least one event."""
    EMPTY_WINDOW = enum.auto()
    """A window frame that announces none."""
    EVENTS = enum.auto()
    """JSON or data frames that do not complete the window. Without an open window they open
    one: see ``SURPLUS`` and ``DATA_WITHOUT_WINDOW``."""
    LAST_EVENT = enum.auto()
    """Events up to the last one that was announced."""
    COMPRESSED = enum.auto()
    """A compressed frame; the frames inside it are the next inputs."""
    NESTED = enum.auto()
    """A compressed frame inside a compressed frame."""
    ACK = enum.auto()
    """An ack frame, which only a server sends."""
    UNKNOWN = enum.auto()
    """Bytes that begin no frame."""
    SILENCE = enum.auto()
    """Nothing came for a while, or nothing will, from a peer that leaves windows part-filled."""
    END = enum.auto()
    """The peer has closed, and nothing of it is left."""
    TRUNCATED = enum.auto()
    """The peer has closed in the middle of a frame or of a window."""


BETWEEN: Final = WireState.BETWEEN
ANNOUNCED: Final = WireState.ANNOUNCED
FILLING: Final = WireState.FILLING
ENDED: Final = WireState.ENDED
FAILED: Final = WireState.FAILED


def _from(
    between: WireState | None, announced: WireState | None, filling: WireState | None
) -> Mapping[WireState, WireState]:
    row = {BETWEEN: between, ANNOUNCED: announced, FILLING: filling}
    return {state: after for state, after in row.items() if after is not None}


TRANSITIONS: Final[Mapping[Input, Mapping[WireState, WireState]]] = {
    Input.WINDOW: _from(ANNOUNCED, ANNOUNCED, BETWEEN),
    Input.EMPTY_WINDOW: _from(BETWEEN, BETWEEN, BETWEEN),
    Input.EVENTS: _from(FILLING, FILLING, FILLING),
    Input.LAST_EVENT: _from(BETWEEN, BETWEEN, BETWEEN),
    Input.COMPRESSED: _from(BETWEEN, ANNOUNCED, FILLING),
    Input.NESTED: _from(FAILED, FAILED, FAILED),
    Input.ACK: _from(FAILED, FAILED, FAILED),
    Input.UNKNOWN: _from(FAILED, FAILED, FAILED),
    Input.SILENCE: _from(None, None, BETWEEN),
    Input.END: _from(ENDED, ENDED, None),
    Input.TRUNCATED: _from(FAILED, FAILED, FAILED),
}
"""By input and state, the next state. In ENDED and FAILED no input is read any more."""
