"""Windows come out one at a time, each with a permit to inflate it."""

from __future__ import annotations

import asyncio

import pytest

from ptingest.delivery.budget import Budget
from ptingest.errors import ProtocolError
from ptingest.lumberjack.window import Limits
from ptingest.settings.beats import BeatsLimits
from ptingest.sources.beats.deadlines import Expired
from ptingest.sources.beats.inflate_permits import INFLATE_PERMITS
from ptingest.sources.beats.receive_budget import ReceiveBudget
from ptingest.sources.beats.small_windows import SMALL_BYTES, SmallWindows
from ptingest.sources.beats.window_reader import WindowReader
from tests.support.waiting import until
from tests.support.wire_description import c, j, w


class Host:
    """What all readers share; nothing is scarce."""

    def __init__(self) -> None:
        self.received = ReceiveBudget(BeatsLimits(), now=self.now)
        self.permits = Budget(INFLATE_PERMITS)
        self.exclusive = asyncio.Lock()
        self.small_windows = SmallWindows(lambda _: self.due_at, now=self.now)
        self.due_at = 0.0
        self.draining = False

    def now(self) -> float:
        return 7.0

    async def checkpoint(self, size: int) -> None:
        """There is always room."""


class Member:
    """A connection that is read."""

    ip = "192.0.2.1"
    reading = is_open = True
    awaits_bytes = is_mid_window = False
    waiting_bytes = 0

    def pause(self) -> None:
        """Does nothing."""

    def resume(self) -> None:
        """Does nothing."""

    def expire(self, expired: Expired) -> None:
        """Does nothing."""


def reader_of(host: Host, limits: Limits | None = None) -> WindowReader:
    reader = WindowReader(host, limits or Limits(), Member(), "192.0.2.1:5000")
    host.received.join(reader._member)
    return reader


async def test_each_window_comes_with_a_permit() -> None:
    host = Host()
    reader = reader_of(host)
    reader.receive_data((w(1) + c(j(1))) * 2)

    for _ in range(2):
        window = await reader.next()
        assert window is not None
        assert host.permits.outstanding == 1
        reader.permits.give_back()

    assert reader.held_bytes == host.received.held_bytes == 0


async def test_half_a_frame_takes_no_permit() -> None:
    host = Host()
    reader = reader_of(host)
    reader.receive_data(w(1) + j(1)[:-1])

    waiting = asyncio.ensure_future(reader.next())
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    held = host.permits.outstanding
    reader.receive_data(j(1)[-1:])
    window = await waiting

    assert held == 0
    assert window is not None


async def test_a_small_window_waits_for_others_and_holds_no_permit_meanwhile() -> None:
    host = Host()
    host.due_at = 1_000.0
    reader = reader_of(host)
    reader.receive_data(w(1) + c(j(1)))

    waiting = asyncio.ensure_future(reader.next())
    await until(lambda: not reader.is_waiting)
    held = host.permits.outstanding
    host.due_at = 0.0
    await host.small_windows.wait("another that need not wait")
    window = await waiting

    assert (held, host.permits.outstanding) == (0, 1)
    assert window is not None


@pytest.mark.parametrize("why", ["large", "drain", "end"])
async def test_what_is_large_or_the_last_waits_for_nobody(why: str) -> None:
    host = Host()
    host.due_at = 1_000.0
    reader = reader_of(host, Limits(part_bytes=10) if why == "drain" else None)
    if why == "drain":
        host.due_at = 0.0
        reader.receive_data(w(2) + j(1))
        assert await reader.next() is not None
        reader.permits.give_back()
        host.due_at, host.draining = 1_000.0, True
        reader.receive_data(j(2))
    else:
        reader.receive_data(w(1) + j(1, b'"%b"' % (b"x" * SMALL_BYTES if why == "large" else b"")))
    if why == "end":
        reader.is_eof = True
        reader.receive_eof()

    assert await reader.next() is not None


async def test_the_end_of_the_stream_ends_it() -> None:
    reader = reader_of(Host())
    reader.is_eof = True
    reader.receive_eof()

    assert await reader.next() is None


@pytest.mark.parametrize("is_within", [False, True], ids=["between windows", "within a window"])
async def test_a_drain_ends_it_between_windows_only(is_within: bool) -> None:
    host = Host()
    reader = reader_of(host, Limits(part_bytes=10))
    if is_within:
        reader.receive_data(w(2) + j(1))
        part = await reader.next()
        assert part is not None
        assert not part.is_last
        reader.permits.give_back()
    host.draining = True
    reader.receive_data(j(2) if is_within else w(1) + j(1))

    window = await reader.next()

    assert (window is not None) == is_within


async def test_a_broken_frame_gives_the_permit_back() -> None:
    host = Host()
    reader = reader_of(host)
    reader.receive_data(b"XX")

    with pytest.raises(ProtocolError):
        await reader.next()

    assert host.permits.outstanding == 0
    assert host.received.held_bytes == 0


async def test_a_window_that_is_incomplete_tells_when_it_began() -> None:
    reader = reader_of(Host())
    reader.receive_data(w(2) + j(1))

    waiting = asyncio.ensure_future(reader.next())
    while not reader.wire.is_window_open:
        await asyncio.sleep(0)  # no race: until the loop has cut what came
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    began_at = reader.window_began_at
    reader.receive_data(j(2))
    await waiting

    assert began_at == 7.0
    assert reader.window_began_at is None


async def test_nothing_is_held_once_it_is_forgotten() -> None:
    host = Host()
    reader = reader_of(host)
    reader.receive_data(w(2) + j(1))

    reader.forget()

    assert (reader.held_bytes, host.received.held_bytes) == (0, 0)
