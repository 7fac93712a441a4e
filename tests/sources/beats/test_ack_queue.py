"""Acks leave in wire order, and none before it was earned."""

from __future__ import annotations

from collections import deque

from ptingest.lumberjack.frames import ack_bytes
from ptingest.model.receipt import Receipt
from ptingest.sources.beats.ack_queue import OpenWindow, take_earned_acks


def window(seq: int, *, safe: bool) -> OpenWindow:
    opened = OpenWindow(2, began_at=0.0)
    opened.last_seq, opened.safe, opened.sealed_at = seq, safe, 1.0
    opened.receipt = Receipt(lambda _: None)
    return opened


def test_a_window_that_is_not_safe_holds_back_those_behind_it() -> None:
    windows = deque([window(1, safe=True), window(2, safe=False), window(3, safe=True)])
    took: list[float] = []

    out = take_earned_acks(windows, 4.0, took.append)

    assert out == ack_bytes(2, 1)
    assert took == [3.0]
    assert [one.last_seq for one in windows] == [2, 3]
