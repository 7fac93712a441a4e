"""Acks leave in wire order, and none before it was earned."""

from __future__ import annotations

from ptingest.lumberjack.frames import ack_bytes
from ptingest.model.receipt import Receipt
from ptingest.sources.beats.ack_queue import AckQueue, OpenWindow


def complete_window(queue: AckQueue, seq: int, *, is_safe: bool) -> OpenWindow:
    window = queue.begin(2, now=0.0)
    window.receipt = Receipt(lambda _: None)
    queue.complete(window, seq, now=1.0)
    window.safe = is_safe
    return window


def test_a_window_that_is_not_safe_holds_back_those_behind_it() -> None:
    queue = AckQueue()
    complete_window(queue, 1, is_safe=True)
    second = complete_window(queue, 2, is_safe=False)
    complete_window(queue, 3, is_safe=True)

    earned = queue.take_earned(4.0)
    second.safe = True
    later = queue.take_earned(5.0)

    assert earned == (ack_bytes(2, 1), [3.0])
    assert later.wire == ack_bytes(2, 2) + ack_bytes(2, 3)
    assert len(queue) == 0


def test_a_window_is_filling_from_its_first_events_to_its_last() -> None:
    queue = AckQueue()

    window = queue.begin(2, now=7.0)
    while_filling = queue.filling
    queue.complete(window, 9, now=8.0)

    assert while_filling is window
    assert queue.filling is None
    assert queue.oldest_began_at == 7.0


def test_dropping_the_filling_window_leaves_the_complete_ones() -> None:
    queue = AckQueue()
    first = complete_window(queue, 1, is_safe=False)
    filling = queue.begin(2, now=2.0)

    assert queue.drop_filling() is filling
    assert queue.drop_filling() is None
    assert first in queue
    assert filling not in queue


def test_nothing_is_left_once_all_are_taken() -> None:
    queue = AckQueue()
    first = complete_window(queue, 1, is_safe=True)
    filling = queue.begin(2, now=2.0)

    assert queue.take_all() == [first, filling]
    assert (len(queue), queue.filling, queue.oldest_began_at) == (0, None, None)
    assert queue.take_earned(3.0).wire == b""
