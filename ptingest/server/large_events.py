"""Sends large events to a process of their own, and reads the results.

    process(payload) --file in memory, a frame--> large_event_process
    Processed        <--file in memory, a frame--

The process starts with the first large event and works on one at a time, in order of arrival;
meanwhile the event loop is free. An event that ends it becomes a dead letter: at once when it
used up its processor time or crashed it, after ``ATTEMPTS`` when the process ended otherwise,
since the machine may have been the cause.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec.structs import replace

from ptingest.delivery.budget import Budget
from ptingest.model.document import Document
from ptingest.model.origin import Origin
from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.server.large_event_process import (
    CPU_SECONDS,
    LENGTH_BYTES,
    LargeEventResult,
    LargeEventTask,
    costly,
    decode_result,
    encode_frame,
    memory_file,
    write_all,
)
from ptingest.server.process.signals import ending
from ptingest.settings.profiles import Profile
from ptingest.settings.transfer import pack_profile

log = logging.getLogger(__name__)

PLACES_BYTES = 24 << 20
"""Bytes of large events that wait or are worked on: many small ones, or one of the largest and
a few small ones."""
PLACE_SECONDS = 0.2
"""How long a further one may wait for room there before its window must be resent; meanwhile
it holds its inflate permits, for which other windows wait."""
ATTEMPTS = 3
DEADLINE_SECONDS = 120.0
"""Wall time of one attempt, for a very busy machine, or where the process cannot limit its
own processor time."""
CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})
"""Signals of crashes; libraries that find no memory end this way."""


class _Ended(Exception):
    """The process has ended or was killed; ``how`` completes a sentence about the event."""

    def __init__(self, how: str, *, is_certain: bool) -> None:
        super().__init__(how)
        self.how, self.is_certain = how, is_certain


class _Running:
    """The process and our ends of the sockets it inherited."""

    def __init__(self, process: Process, profile: Profile) -> None:
        self.process, self.profile = process, profile
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter


class LargeEvents:
    """Client of the process for large events of one worker; used on one loop."""

    def __init__(
        self,
        profile: Callable[[], Profile],
        *,
        place_seconds: float = PLACE_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """``profile`` returns the one in force; after a reload a new process starts with it."""
        self._profile = profile
        self._place_seconds, self._deadline_seconds = place_seconds, deadline_seconds
        self._one_at_a_time = asyncio.Lock()
        self._places = Budget(PLACES_BYTES)
        self._running: _Running | None = None
        self._files: tuple[int, int] | None = None

    @property
    def pid(self) -> int | None:
        """Pid of the process, None while there is none."""
        return None if self._running is None else self._running.process.pid

    @asynccontextmanager
    async def exclusive(self, receipt: Receipt, size: int) -> AsyncIterator[bool]:
        """Context manager around ``process``: one event at a time, first come, first served.

        The inflate permits of the window are released for the wait. Windows wait whole, so
        only a few may; False means that this one must be resent.
        """
        if receipt.give_way is None:
            async with self._one_at_a_time:
                yield True
            return
        try:
            async with asyncio.timeout(self._place_seconds):
                await self._places.take(size)
        except TimeoutError:
            yield False
            return
        try:
            receipt.give_way()
            async with self._one_at_a_time:
                yield True
        finally:
            self._places.release(size)

    async def process(
        self, payload: bytes, *, receipt: Receipt, origin: Origin, now_ns: int
    ) -> Processed:
        """Do what ``Pipeline.process`` does, for one event, in the other process.

        Raises:
            OSError: the process cannot be started now; the window must be resent.
        """
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await self._attempt(payload, receipt, origin, now_ns)
                except _Ended as end:
                    await self._kill()
                    log.warning(
                        "%s: an event of %d bytes %s (attempt %d of %d)",
                        *(origin.peer, len(payload), end.how, attempt, ATTEMPTS),
                    )
                    if end.is_certain or attempt == ATTEMPTS:
                        return costly(payload, origin, end.how)
        except BaseException:
            # The caller is gone, so its result is not needed any more.
            await self._kill()
            raise
        finally:
            for file in self._files or ():
                os.ftruncate(file, 0)
        raise AssertionError("no attempt was made")

    async def close(self) -> None:
        """Kill the process; a later event starts another one."""
        await self._kill()
        files, self._files = self._files, None
        for file in files or ():
            os.close(file)

    async def _attempt(
        self, payload: bytes, receipt: Receipt, origin: Origin, now_ns: int
    ) -> Processed:
        running = await self._ensure_running()
        assert self._files is not None
        payload_file, body_file = self._files
        write_all(payload_file, payload)
        try:
            async with asyncio.timeout(self._deadline_seconds):
                _send(running.writer, encode_frame(LargeEventTask(len(payload), origin, now_ns)))
                head = await running.reader.readexactly(LENGTH_BYTES)
                frame = await running.reader.readexactly(int.from_bytes(head, "big"))
        except TimeoutError:
            how = f"was not processed within {self._deadline_seconds:g} s"
            raise _Ended(how, is_certain=False) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await running.process.wait()
            if code == -signal.SIGXCPU:
                how = f"took more than {CPU_SECONDS} s of processor time"
                raise _Ended(how, is_certain=True) from None
            how = f"ended the process that worked on it, which {ending(code)}"
            raise _Ended(how, is_certain=-(code or 0) in CRASHES) from None
        return _processed(decode_result(frame), body_file, payload, receipt, origin)

    async def _ensure_running(self) -> _Running:
        """Return the process; starts one where there is none or it has an old profile."""
        profile = self._profile()
        if self._running is not None and self._running.profile is not profile:
            await self._kill()
        if self._running is None:
            if self._files is None:
                self._files = (memory_file("payload"), memory_file("body"))
            self._running = await _start(profile, self._files)
        return self._running

    async def _kill(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.writer.close()
        with contextlib.suppress(ProcessLookupError):
            running.process.kill()
        await running.process.wait()


async def _start(profile: Profile, files: tuple[int, int]) -> _Running:
    ours, theirs = socket.socketpair()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ptingest.server.large_event_process"),
            *map(str, (theirs.fileno(), *files)),
            stdin=DEVNULL,
            pass_fds=(theirs.fileno(), *files),
            # Ctrl-C is for the server only, which drains first.
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    running = _Running(process, profile)
    ours.setblocking(False)
    running.reader, running.writer = await asyncio.open_connection(sock=ours)
    _send(running.writer, pack_profile(profile))
    return running


def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)


def _processed(
    answer: LargeEventResult, body_file: int, payload: bytes, receipt: Receipt, origin: Origin
) -> Processed:
    """Combine the result with the payload, receipt and peer, which were not sent."""
    documents, letters = [], []
    at = 0
    for made in answer.documents:
        body = os.pread(body_file, made.size, at)
        at += made.size
        text = None if made.text_size is None else os.pread(body_file, made.text_size, at)
        at += made.text_size or 0
        one = (made.target, body, made.key, receipt, payload, made.service, origin.peer)
        documents.append(Document(*one, routing=made.routing, text=text))
    if answer.letter is not None:
        letters.append(replace(answer.letter, payload=payload))
    return Processed(
        documents=documents,
        is_spread=answer.is_spread,
        dead_letters=letters,
        received=answer.received,
        dropped={(service, reason): count for service, reason, count in answer.dropped},
        tallies={(service, what): count for service, what, count in answer.tallies},
    )
