"""What is seen of a connection that is not read."""

from __future__ import annotations

import pytest

from ptingest.sources.beats.read_gate import ReadGate


def closed_gate(waiting: bytes) -> ReadGate:
    gate = ReadGate(lambda count: waiting[:count])
    gate.close()
    return gate


@pytest.mark.parametrize(
    ("waiting", "is_version_2", "is_encrypted", "is_window"),
    [
        pytest.param(b"2W\0", False, False, True, id="a window"),
        pytest.param(b"1W\0", False, False, False, id="a window of version 1"),
        pytest.param(b"2", True, False, False, id="half a header"),
        pytest.param(b"", True, True, False, id="nothing, encrypted"),
        pytest.param(b"\x17\3", True, True, True, id="anything, encrypted, from a v2 peer"),
        pytest.param(b"\x17\3", False, True, False, id="anything, encrypted, from another"),
    ],
)
def test_a_window_that_waits_in_the_kernel_is_seen(
    waiting: bytes, is_version_2: bool, is_encrypted: bool, is_window: bool
) -> None:
    gate = closed_gate(waiting)

    seen = gate.has_unread_window(5.0, is_version_2=is_version_2, is_encrypted=is_encrypted)

    assert seen == is_window
    assert gate.unread_since == (5.0 if is_window else None)


def test_the_time_of_the_first_look_that_saw_it_is_kept_until_the_gate_opens() -> None:
    gate = closed_gate(b"2W")
    for now in (5.0, 6.0):
        gate.has_unread_window(now, is_version_2=True, is_encrypted=False)
    since = gate.unread_since

    gate.open()

    assert since == 5.0
    assert gate.unread_since is None
    assert not gate.has_unread_window(7.0, is_version_2=True, is_encrypted=False)


def test_a_peer_waits_for_us_only_where_its_bytes_wait() -> None:
    reading = ReadGate(lambda count: b"2W"[:count])

    assert closed_gate(b"2").keeps_peer_waiting
    assert not closed_gate(b"").keeps_peer_waiting
    assert not reading.keeps_peer_waiting
