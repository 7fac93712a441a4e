"""Clocks for tests: one moved by hand, and an event loop whose time needs no waiting.

``run_in_virtual_time`` runs a coroutine on a loop that never sleeps: when nothing is
ready, its time jumps to the next timer, and only then does it pass. Threads take no time
at all, however long they work: no timer comes before one that has begun is done. Five
minutes of patience are over in a millisecond, in the same order as in life.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from ptingest.server.process.clock import SystemClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH_NS = 1_795_000_000_000_000_000
"""A moment in November 2026."""


class ManualClock:
    """Stands still until ``advance``."""

    def __init__(self, *, monotonic: float = 1000.0, time_ns: int = EPOCH_NS) -> None:
        self._monotonic, self._time_ns = monotonic, time_ns

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self._time_ns += round(seconds * 1e9)

    def monotonic(self) -> float:
        return self._monotonic

    def time_ns(self) -> int:
        return self._time_ns


class AheadClock(SystemClock):
    """The machine's, ahead by what ``advance`` adds: what was to last a minute is over at once."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead


class LoopClock:
    """Tells the time of the loop it was made on, virtual or not, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def monotonic(self) -> float:
        return self._loop.time()

    def time_ns(self) -> int:
        return EPOCH_NS + round(self.monotonic() * 1e9)


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer: what it would have slept is the loop's time."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self.loop.threads_at_work:
            # A thread ends with a byte on the loop's own socket, so waiting is for real.
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.loop.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps instead of waiting."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now = 1000.0
        self.threads_at_work = 0
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        self.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_is_done)
        return future

    def _thread_is_done(self, _: object) -> None:
        self.threads_at_work -= 1


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own; all tasks are cancelled after it."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
