"""Deadlines by the clock of the test: what a peer owes, and how much it must bring."""

from __future__ import annotations

import pytest
from pydantic import ByteSize

from ptingest.settings.beats import BeatsLimits
from ptingest.sources.beats.deadlines import PeerActivity, QuietPeriod, ReadDeadlines, Writes

LIMITS = BeatsLimits(
    first_byte_seconds=60,
    frame_seconds=30,
    window_seconds=300,
    idle_seconds=900,
    min_bytes_per_second=ByteSize(1000),
)
STEP = 0.5


def lasts(
    *,
    bytes_each: float = 0,
    bytes_at_once: int = 0,
    every: float = STEP,
    frame: int | None = None,
    window: int | None = None,
    owes: bool = True,
    holds_windows: bool = False,
    seconds: float = 2000,
) -> tuple[str | None, float]:
    """Which deadline is over, and when, for a peer that sends ``bytes_each`` ``every`` so often."""
    deadlines, now, received, sent_at = ReadDeadlines(0.0), 0.0, bytes_at_once, 0.0
    while now < seconds:
        now += STEP
        if now - sent_at >= every:
            sent_at, received = now, received + int(bytes_each)
        seen = PeerActivity(owes, received, frame, window, holds_windows)
        if expired := deadlines.look(now, seen, LIMITS):
            return expired.reason, now
    return None, now


@pytest.mark.parametrize(
    ("claim", "peer", "reason", "at_most"),
    [
        ("nothing ever", {}, "first_byte_timeout", 61),
        (
            "nothing after a frame's beginning",
            {"bytes_at_once": 9, "frame": 0},
            "frame_timeout",
            31,
        ),
        (
            "a byte every 25 s",
            {"bytes_at_once": 40 << 20, "bytes_each": 1, "every": 25, "frame": 0, "window": 0},
            "frame_timeout",
            61,
        ),
        (
            "a little less than is due",
            {"bytes_each": 499, "frame": 0, "window": 0},
            "frame_timeout",
            31,
        ),
        (
            "small frames of a window that never ends",
            {"bytes_each": 100, "every": 20, "window": 0},
            "window_timeout",
            302,
        ),
        ("silence between windows", {"bytes_at_once": 99}, "idle", 902),
    ],
)
def test_a_peer_that_owes_is_closed(
    claim: str, peer: dict[str, float], reason: str, at_most: float
) -> None:
    found, at = lasts(**peer)  # type: ignore[arg-type]

    assert (found, at <= at_most) == (reason, True), (claim, found, at)


@pytest.mark.parametrize(
    ("claim", "peer"),
    [
        ("a slow line", {"bytes_each": 500, "frame": 0, "window": 0}),
        ("it is our turn", {"bytes_at_once": 9, "frame": 0, "window": 0, "owes": False}),
        ("its windows wait for us", {"bytes_at_once": 9, "holds_windows": True}),
    ],
)
def test_a_peer_that_owes_nothing_is_left_alone(claim: str, peer: dict[str, float]) -> None:
    assert lasts(**peer)[0] is None, claim  # type: ignore[arg-type]


def test_each_frame_has_its_own_time() -> None:
    deadlines = ReadDeadlines(0.0)

    late = [
        deadlines.look(now, PeerActivity(True, int(now), int(now) // 20, 0, False), LIMITS)
        for now in range(1, 200)
    ]

    assert not any(late), "frames of 20 s each, one after the other"


def test_writes_are_stuck_by_time_and_by_bytes() -> None:
    writes = Writes()

    assert not writes.are_stuck(0, 10, 30)
    assert not writes.are_stuck(29, 10, 30)
    assert writes.are_stuck(30, 10, 30)
    assert not writes.are_stuck(31, 0, 30)
    assert writes.are_stuck(32, 1 << 20, 30)


# --- quiet periods ------------------------------------------------------------------------


def test_a_quiet_period_passes_once_for_each_silence() -> None:
    quiet = QuietPeriod(0.0)

    looks = [quiet.has_passed(now, 1.0) for now in (0.5, 1.0, 2.0)]
    quiet.heard(3.0)
    later = [quiet.has_passed(now, 1.0) for now in (3.9, 4.0, 5.0)]

    assert looks == [False, True, False]
    assert later == [False, True, False]
