"""The states of a connection are those of the diagram."""

from __future__ import annotations

import pytest

from ptingest.sources.beats import lifecycle
from ptingest.sources.beats.lifecycle import (
    CLOSED,
    CLOSING,
    MAY,
    TRANSITIONS,
    Cause,
    ConnectionState,
    Lifecycle,
)

LINES = [line.split() for line in (lifecycle.__doc__ or "").splitlines()]
HEADS = next(line for line in LINES if line[:1] == ["CONNECTED"] and len(line) > 2)


def drawn(cause: Cause) -> dict[ConnectionState, ConnectionState]:
    """The row of a cause in the docstring."""
    (row,) = (line[1:] for line in LINES if line[:1] == [cause.name])
    return {
        ConnectionState[head]: ConnectionState[after]
        for head, after in zip(HEADS, row, strict=True)
        if after != "-"
    }


def allowed(what: str) -> dict[ConnectionState, bool]:
    """A row of what a connection may do."""
    (row,) = (line[2:] for line in LINES if line[:2] == what.split())
    return {ConnectionState[head]: word == "yes" for head, word in zip(HEADS, row, strict=True)}


def test_the_diagram_shows_the_table() -> None:
    assert {cause: drawn(cause) for cause in Cause} == TRANSITIONS


def test_the_diagram_shows_what_each_state_allows() -> None:
    assert allowed("takes windows") == {state: may.take_windows for state, may in MAY.items()}
    assert allowed("sends acks") == {state: may.send_acks for state, may in MAY.items()}


def test_no_cause_leads_back() -> None:
    order = list(ConnectionState)

    for row in TRANSITIONS.values():
        for before, after in row.items():
            assert order.index(after) >= order.index(before)


@pytest.mark.parametrize("state", ConnectionState, ids=lambda one: one.name)
def test_every_state_leads_to_closed(state: ConnectionState) -> None:
    assert TRANSITIONS[Cause.LOST][state] is CLOSED


def test_the_first_reason_is_kept() -> None:
    connection = Lifecycle()
    connection.move(Cause.ADMITTED)

    moved = [connection.move(Cause.CLOSE, "idle"), connection.move(Cause.CLOSE, "shutdown")]

    assert moved == [True, False]
    assert (connection.state, connection.reason) == (CLOSING, "idle")


def test_a_closing_connection_sends_acks_until_no_window_waits() -> None:
    connection = Lifecycle()
    connection.move(Cause.ADMITTED)
    was_open = connection.move(Cause.ALL_ACKED)

    connection.move(Cause.CLOSE, "bad_version")
    may_while_closing = connection.may
    connection.move(Cause.ALL_ACKED)

    assert not was_open
    assert (may_while_closing.take_windows, may_while_closing.send_acks) == (False, True)
    assert (connection.may.take_windows, connection.may.send_acks) == (False, False)
