"""The table of states is what its diagram says and what a connection does."""

from __future__ import annotations

import dataclasses

import pytest

from ptingest.errors import ProtocolError
from ptingest.lumberjack import states
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.frames import ack_bytes
from ptingest.lumberjack.states import TRANSITIONS, Input, WireState
from tests.support.feeding import SMALL, feed
from tests.support.wire_description import c, d, j, w

STRETCHES = dataclasses.replace(SMALL, stretch_bytes=1)
"""So that a call returns between a compressed frame and the frames inside it."""

REACHED_BY = {
    WireState.BETWEEN: w(4, 1) + d(1) + d(2) + d(3) + d(4),
    WireState.ANNOUNCED: w(4, 1),
    WireState.FILLING: w(4, 1) + d(1),
}
"""In version 1, whose peers are the ones that may leave a window part-filled."""

V2_ONLY = (WireState.FILLING, Input.TRUNCATED)
"""At the end of the stream a version 1 window is given out before anything else."""

GIVEN_BY = {
    Input.WINDOW: w(4, 1),
    Input.EMPTY_WINDOW: w(0, 1),
    Input.EVENTS: d(2),
    Input.LAST_EVENT: d(2) + d(3) + d(4) + d(5),
    Input.COMPRESSED: c(d(2), version=1),
    Input.NESTED: c(c(d(2), version=1), version=1),
    Input.ACK: ack_bytes(1, 1),
    Input.UNKNOWN: b"XX",
    Input.TRUNCATED: j(2)[:-1],
}


def diagram() -> dict[Input, dict[WireState, WireState]]:
    """The table in the docstring of ``states``."""
    lines = [line.split() for line in (states.__doc__ or "").splitlines()]
    heads = next(line for line in lines if line[:2] == ["BETWEEN", "ANNOUNCED"])
    rows = {line[0]: line[1:] for line in lines if line[1:] and {*line[1:]} <= {*heads, "-"}}
    del rows[heads[0]]
    return {
        Input[what]: {
            WireState[head]: WireState[after]
            for head, after in zip(heads, row, strict=True)
            if after != "-"
        }
        for what, row in rows.items()
    }


def give(connection: ServerConnection, what: Input) -> None:
    """Give one input to a connection, and nothing behind it."""
    if what is Input.SILENCE:
        connection.quiet_window()
        return
    connection.receive_data(GIVEN_BY.get(what, b""))
    if what in (Input.END, Input.TRUNCATED):
        connection.receive_eof()
    until = connection.frames + (2 if what is Input.NESTED else 1)
    while connection.frames < until:
        if connection.next_window() is not None or not connection.is_halfway:
            return


def test_the_diagram_shows_the_table() -> None:
    assert diagram() == TRANSITIONS


@pytest.mark.parametrize(
    ("state", "what"),
    [(state, what) for what, row in TRANSITIONS.items() for state in row],
    ids=lambda one: one.name,
)
def test_a_connection_moves_as_the_table_says(state: WireState, what: Input) -> None:
    connection = ServerConnection(STRETCHES)
    wire = w(4) + j(1) if (state, what) == V2_ONLY else REACHED_BY[state]
    feed(connection, wire)
    before = connection.state

    try:
        give(connection, what)
    except ProtocolError:
        assert connection.state is WireState.FAILED

    assert before is state
    assert connection.state is TRANSITIONS[what][state]


@pytest.mark.parametrize("end", [WireState.ENDED, WireState.FAILED], ids=lambda one: one.name)
def test_nothing_is_read_after_the_end(end: WireState) -> None:
    connection = ServerConnection(SMALL)
    if end is WireState.FAILED:
        connection.receive_data(b"XX")
        with pytest.raises(ProtocolError):
            connection.next_window()
    connection.receive_eof()

    connection.receive_data(w(1, 1) + d(1))

    assert connection.received_bytes == 0
    if end is WireState.ENDED:
        assert connection.next_window() is None
    assert connection.state is end
