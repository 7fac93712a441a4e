"""A keepalive is due an interval after the last ack, or after a window began."""

from __future__ import annotations

from ptingest.sources.beats.keepalive import Keepalive


def test_the_interval_begins_anew_with_each_ack() -> None:
    keepalive = Keepalive(0.0)

    keepalive.wrote(2.0)

    assert not keepalive.is_due(4.9, interval=3.0)
    assert keepalive.is_due(5.0, interval=3.0)


def test_the_interval_begins_with_the_first_frame_of_a_window() -> None:
    keepalive = Keepalive(0.0)

    keepalive.window_began(10.0)

    assert not keepalive.is_due(12.0, interval=3.0)
    assert keepalive.is_due(13.0, interval=3.0)


def test_a_window_that_began_before_the_last_ack_changes_nothing() -> None:
    keepalive = Keepalive(0.0)
    keepalive.wrote(5.0)

    keepalive.window_began(4.0)

    assert not keepalive.is_due(7.9, interval=3.0)
