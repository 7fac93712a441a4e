"""How the shipping client cuts its windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.tools.shipper.file_reader import FilePlace
from ptingest.tools.shipper.windows import ACKS_TO_GROW, ShippedEvent, ShippedWindow, WindowLimits

PATH = Path("/var/log/django.log")


def events(*sizes: int) -> list[ShippedEvent]:
    return [
        ShippedEvent(b"x" * size, PATH, FilePlace(1, 2, n), size) for n, size in enumerate(sizes)
    ]


def window_of(*sizes: int) -> ShippedWindow:
    window = ShippedWindow(was_sent=True)
    for one in events(*sizes):
        window.append(one)
    return window


def sizes_of(windows: list[ShippedWindow]) -> list[list[int]]:
    return [[len(event.payload) for event in window.events] for window in windows]


@pytest.mark.parametrize(
    ("limits", "sizes", "cut"),
    [
        (WindowLimits(2, 100), (1, 1, 1), [[1, 1], [1]]),
        (WindowLimits(10, 10), (6, 5, 5, 1), [[6], [5, 5], [1]]),
        (WindowLimits(10, 10), (50, 1, 50), [[50], [1], [50]]),
        (WindowLimits(10, 10), (5, 5), [[5, 5]]),
    ],
    ids=["by events", "by bytes", "a large one alone", "just fits"],
)
def test_windows_keep_to_events_and_bytes(
    limits: WindowLimits, sizes: tuple[int, ...], cut: list[list[int]]
) -> None:
    parts = list(window_of(*sizes).cut(limits))

    assert sizes_of(parts) == cut
    assert all(part.was_sent for part in parts)
    assert [event for part in parts for event in part.events] == events(*sizes)


def test_a_window_that_failed_is_halved_until_one_event_is_left() -> None:
    limits, window, lengths = WindowLimits(2048), window_of(*[10] * 30), []

    for _ in range(6):
        limits.shrink(window)
        window = next(window.cut(limits))
        lengths.append(len(window.events))

    assert lengths == [15, 7, 3, 1, 1, 1]


def test_one_large_event_halves_what_may_stand_beside_it() -> None:
    limits = WindowLimits(2048)

    limits.shrink(window_of(1000, 10))

    assert sizes_of(list(window_of(1000, 10, 10).cut(limits))) == [[1000], [10], [10]]


def test_windows_grow_back_after_a_run_of_acks_and_never_beyond_what_was_asked() -> None:
    limits = WindowLimits(100, 1000)
    limits.shrink(window_of(*[10] * 100))

    for _ in range(ACKS_TO_GROW - 1):
        limits.grow()
    before = limits.events, limits.payload_bytes
    for _ in range(10 * ACKS_TO_GROW):
        limits.grow()

    assert before == (50, 500)
    assert (limits.events, limits.payload_bytes) == (100, 1000)
