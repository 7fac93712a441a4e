"""The server's side of one Lumberjack conversation, versions 1 and 2, without a socket.

Bytes go in through ``receive_data``, which only stores them, and come out of
``next_window`` as windows; acks are made by ``frames.ack_bytes`` for the caller to write.
Nothing here reads a clock, opens a file or awaits, so a test drives it byte by byte and a
fuzzer at full speed.

    received bytes --bare frames--------------------> cut --> payloads --> Window
                  \\--compressed frame, inflated----/
"""

# Strategy
#
# ``_step`` takes the frame at the front: ``Measure`` finds out its size and rejects it by its
# header where it can, and once it is whole the state moves by the table in ``states``. Frames
# come from the received bytes, or from the inflated bytes of one compressed frame, which is cut
# to its end first. A run of JSON frames is cut by one loop that looks at nothing but the header
# and the length of each: nearly all time is spent there and in the inflate library.
#
# Rules that hold after every call
#
# - Windows that wait stay compressed; one compressed frame at a time is inflated.
# - A compressed frame is waited for whole and verified before any event of it is given out. One
#   that inflates to more than ``part_bytes`` is inflated twice, to verify it and then to cut
#   it, and its window comes in parts.
# - Nothing is allocated from an announced number, and ``received_bytes`` is what is in memory.
# - Each step consumes bytes, inflates bytes or waits, so no input makes the loop run for ever; a
#   call works for about ``stretch_bytes`` and then returns (``is_halfway``).
# - After an error nothing is held and the same error is raised again: a stream of length-
#   prefixed frames cannot be resynchronised. Windows before the broken frame stay given out.
# - A seq is opaque: the last one is echoed by the ack, and neither order nor gaps are checked.
#
# Known doubts: PROTOCOL.md in logstash-plugins/logstash-input-beats and the clients differ, or
# say nothing. ``Window.odd`` names what was tolerated.
#
# - A window frame before the window is full. The text calls the number a maximum; some clients
#   mean it so. We give out the short window (SHORT_WINDOW) and take the new one.
# - Events behind a full window without a new window frame: one client announces a window once
#   and sends an endless stream. The last number holds for the next window, too (SURPLUS).
# - Events before any window frame: each is a window of its own (DATA_WITHOUT_WINDOW).
# - Part-filled windows of such peers, and of version 1, are given out after some silence and
#   at the end of the stream, or they would never be acked (QUIET_WINDOW).
# - Bytes behind the zlib stream in a compressed frame are ignored (JUNK_AFTER_ZLIB).
# - A window frame inside a compressed frame is allowed; a compressed frame there is not. One
#   window may span several compressed frames and bare ones.
# - A window frame that announces nothing is answered with ack 0, as by Logstash.
# - Versions may change between windows, not within one.

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat
from typing import Final

from ptingest.errors import FrameTooLarge, ProtocolError
from ptingest.lumberjack.compressed import CompressedFrame
from ptingest.lumberjack.frames import (
    COMPRESSED,
    COUNTED,
    DATA_HEADER,
    HEADER_BYTES,
    JSON_HEADER,
    NUMBERED,
    VERSION_1,
    VERSION_2,
    WINDOW,
    data_frame_payload,
)
from ptingest.lumberjack.inflate import SMALLER_WINDOWS
from ptingest.lumberjack.measure import EVENTS, KINDS, Measure
from ptingest.lumberjack.states import (
    ANNOUNCED,
    BETWEEN,
    ENDED,
    FAILED,
    FILLING,
    TRANSITIONS,
    Input,
    WireState,
)
from ptingest.lumberjack.window import (
    DATA_WITHOUT_WINDOW,
    JUNK_AFTER_ZLIB,
    QUIET_WINDOW,
    SHORT_WINDOW,
    SURPLUS,
    Limits,
    Window,
)

SNAPSHOT_BYTES: Final = 1 << 18
"""Bare frames are cut from a copy of at most this many received bytes."""
USUAL_EVENT_BYTES: Final = 2048
"""Assumed size of each further event of a window; larger ones need more copies."""
MAX_IDLE_WINDOWS: Final = 1024
"""Window frames in a row without an event; compressed, a million fit into a few KiB."""


AFTER_WINDOW: Final = TRANSITIONS[Input.WINDOW]
AFTER_EMPTY_WINDOW: Final = TRANSITIONS[Input.EMPTY_WINDOW]
AFTER_EVENTS: Final = TRANSITIONS[Input.EVENTS]
AFTER_LAST_EVENT: Final = TRANSITIONS[Input.LAST_EVENT]
AFTER_COMPRESSED: Final = TRANSITIONS[Input.COMPRESSED]
AFTER_SILENCE: Final = TRANSITIONS[Input.SILENCE]
AFTER_END: Final = TRANSITIONS[Input.END]


class ServerConnection:
    """Cuts what one peer sends into windows."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._state = BETWEEN
        self._failure: ProtocolError | None = None
        self._is_eof = False

        self._received = bytearray()
        self._inner = CompressedFrame()
        # Kept over calls, so that a frame in many small reads is not looked at each time.
        self._measure = Measure(frame_bytes=limits.frame_bytes, pairs=limits.pairs)

        self._version = 0
        self._announced = 0
        self._missing = 0
        self._payloads: list[bytes] = []
        self._held_bytes = 0
        self._window_bytes = 0
        self._last_seq = 0
        self._odd: list[str] = []
        self._is_reusing_windows = False
        self._idle_windows = 0
        self._worked_bytes = 0
        self.frames = 0
        """Frames, or runs of bare events, consumed so far."""
        self.is_halfway = False
        """The last ``next_window`` returned None after ``Limits.stretch_bytes`` of work, with
        bytes left. Call it again."""
        self.needs_room = False
        """It returned None because the frame at the front is larger than ``Limits.large_bytes``
        and will be in memory several times while it is cut. Set ``has_room``, call again."""
        self.has_room = False

    @property
    def received_bytes(self) -> int:
        """Bytes in memory that were not given out yet.

        Waiting windows count compressed; what is inflated already counts inflated.
        """
        return len(self._received) + self._inner.held_bytes + self._held_bytes

    @property
    def state(self) -> WireState:
        """Where the conversation is between the last frame taken and the next."""
        return self._state

    @property
    def is_window_open(self) -> bool:
        """A window was begun and is not complete."""
        return self._state in (ANNOUNCED, FILLING)

    @property
    def is_frame_open(self) -> bool:
        """``next_window`` has seen the first bytes of a frame that is not whole yet."""
        return not self._inner.data and 0 < len(self._received) < self._measure.needed

    @property
    def version(self) -> int:
        """The version of the current or last window, 1 or 2; 2 before any."""
        return 1 if self._version == VERSION_1 else 2

    @property
    def has_compressed(self) -> bool:
        """Whether the peer has sent a compressed frame yet."""
        return self._inner.version != 0

    def receive_data(self, data: bytes) -> None:
        """Store bytes as they came; nothing is looked at, nothing raises. Bytes after the end of
        the stream, or after an error, are dropped."""
        if self._failure is None and not self._is_eof:
            self._received += data

    def receive_eof(self) -> None:
        """The peer will send no more."""
        self._is_eof = True

    def next_window(self) -> Window | None:
        """Return the next complete window or part, or None when more bytes are needed.

        After ``receive_eof`` None means that everything was given out. Where ``is_halfway``
        or ``needs_room`` is set, None means neither.

        Raises:
            ProtocolError: the peer broke the format, or left within a window. Every
                window before the broken frame has been given out by then; close the
                connection and ack no more than those. Later calls raise the same error.
        """
        if self._failure is not None:
            raise self._failure
        self._worked_bytes, self.is_halfway, self.needs_room = 0, False, False
        if self._state is ENDED:
            return None
        try:
            while self._worked_bytes < self._limits.stretch_bytes:
                window, is_waiting = self._step()
                if window is not None:
                    return window
                if is_waiting:
                    is_over = self._is_eof and not self.needs_room
                    return self._end() if is_over else None
            self.is_halfway = True
            return None
        except ProtocolError as error:
            # The frames of its traceback would keep the window's bytes alive.
            self._failure = error.with_traceback(None)
            self.forget()
            self._state = FAILED
            raise

    def quiet_window(self) -> Window | None:
        """Give out the part-filled window of a peer that leaves windows part-filled.

        To be called when nothing came for a while and ``next_window`` returned None.
        Only v1 peers and those that announce one window for an endless stream do that and
        wait for an ack; for any other this returns None.
        """
        is_habit = self._version == VERSION_1 or self._is_reusing_windows
        if not is_habit or self._state is not FILLING:
            return None
        self._odd.append(QUIET_WINDOW)
        return self._close_window(AFTER_SILENCE)

    def part_window(self) -> Window | None:
        """Give out the events held of an incomplete window; None where there are none.

        To be called when memory is scarce and ``next_window`` returned None.
        """
        return self._give_out(is_last=False) if self._payloads else None

    def _step(self) -> tuple[Window | None, bool]:
        """Consume the frame at the front; return the window it completes, and whether to wait."""
        inner, measure = self._inner, self._measure
        is_inner = bool(inner.data)
        data: bytes | bytearray = inner.data if is_inner else self._received
        at = inner.at
        left = len(data) - at
        if left >= measure.needed:
            header = measure.look(data, at, is_inner=is_inner)
            if header & 0xFF in KINDS:
                self._check_version(header, is_inner=is_inner)
        is_whole = left >= measure.needed
        if measure.needed > self._limits.large_bytes and (is_inner or is_whole):
            self.needs_room = not self.has_room
            if self.needs_room:
                return None, True
        if not is_whole:
            if is_inner:
                self._inflate_more()
            return None, not is_inner
        kind = data[at + 1]
        if kind == WINDOW:
            return self._take_window_frame(data, at, is_inner=is_inner), False
        if kind == COMPRESSED:
            self._take_compressed_frame()
            return None, False
        return self._take_events(data, at, is_inner=is_inner), False

    def _check_version(self, header: int, *, is_inner: bool) -> None:
        kind = header & 0xFF
        version = header - kind
        if kind in EVENTS:
            # Without a window frame an event continues the window before it, in its version.
            is_right = header in (JSON_HEADER, DATA_HEADER) and self._version in (0, version)
        else:
            is_right = kind == WINDOW or self._state is BETWEEN or version == self._version
        if is_inner:
            is_right = is_right and version == self._inner.version
        if not is_right:
            raise ProtocolError(
                reason="mixed_versions",
                detail=f"mixed versions: a frame that begins with {header.to_bytes(2, 'big')!r} "
                f"in a version {self.version} window",
            )

    def _consume(self, count: int, *, is_inner: bool) -> None:
        if is_inner:
            self._inner.consume(count)
        else:
            del self._received[:count]
        self.frames += 1
        self._measure.next_frame()

    # --- window frames ------------------------------------------------------------------

    def _take_window_frame(
        self, data: bytes | bytearray, at: int, *, is_inner: bool
    ) -> Window | None:
        header, count = COUNTED.unpack_from(data, at)
        if count > self._limits.window_events:
            raise FrameTooLarge(
                reason="window_too_large",
                what="number of events in a window frame",
                declared=count,
                limit=self._limits.window_events,
                setting="beats.limits.window_events",
            )
        after = AFTER_WINDOW if count else AFTER_EMPTY_WINDOW
        is_open = self._state is not BETWEEN
        if is_open:
            self._odd.append(SHORT_WINDOW)
            if self._state is FILLING:
                # Not consumed: it is read again once the short window was given out.
                return self._close_window(after)
        if is_open or (is_inner and not count):
            self._count_idle_window()
        self._consume(COUNTED.size, is_inner=is_inner)
        self._version = header & 0xFF00
        self._begin_window(count)
        if not count:
            self._last_seq = 0
            return self._close_window(after)
        self._state = after[self._state]
        return None

    def _count_idle_window(self) -> None:
        self._idle_windows += 1
        if self._idle_windows > MAX_IDLE_WINDOWS:
            raise ProtocolError(
                reason="idle_windows",
                detail=f"more than {MAX_IDLE_WINDOWS} window frames in a row without an event",
            )

    def _begin_window(self, count: int) -> None:
        self._announced = self._missing = count
        self._window_bytes = 0

    def _begin_implied_window(self, version: int) -> None:
        """Begin the window of an event that no window frame announced."""
        if self._announced:
            self._odd.append(SURPLUS)
            self._is_reusing_windows = True
            self._begin_window(self._announced)
        else:
            self._odd.append(DATA_WITHOUT_WINDOW)
            self._version = version
            self._begin_window(1)
            self._announced = 0

    def _close_window(self, after: Mapping[WireState, WireState]) -> Window:
        self._state = after[self._state]
        return self._give_out(is_last=True)

    def _give_out(self, *, is_last: bool) -> Window:
        window = Window(
            payloads=self._payloads,
            last_seq=self._last_seq,
            version=self.version,
            is_last=is_last,
            announced=self._announced or len(self._payloads),
            odd=tuple(dict.fromkeys(self._odd)) if self._odd else (),
        )
        self._payloads = []
        self._held_bytes = 0
        self._odd = []
        return window

    # --- events -------------------------------------------------------------------------

    def _take_events(self, data: bytes | bytearray, at: int, *, is_inner: bool) -> Window | None:
        """Cut events from the front until the window is full or the bytes are something else."""
        if self._state is BETWEEN:
            self._begin_implied_window(data[at] << 8)
        if not isinstance(data, bytes):
            # A small window among many needs only a few bytes.
            usual = self._measure.needed + (self._missing - 1) * USUAL_EVENT_BYTES
            most = min(SNAPSHOT_BYTES, self._limits.part_bytes, usual)
            with memoryview(data) as view, view[: max(self._measure.needed, most)] as front:
                data = bytes(front)
        cut = self._cut_json if self._version == VERSION_2 else self._cut_data_frames
        count = cut(data, at)
        self._worked_bytes += count
        self._consume(count, is_inner=is_inner)
        self._idle_windows = 0
        self._held_bytes += count
        self._window_bytes += count
        if self._window_bytes > self._limits.window_bytes:
            raise FrameTooLarge(
                reason="inflated_too_large",
                what="size of a window",
                declared=self._window_bytes,
                limit=self._limits.window_bytes,
                setting="beats.limits.window_bytes",
                cure=SMALLER_WINDOWS,
            )
        if not self._missing:
            return self._close_window(AFTER_LAST_EVENT)
        self._state = AFTER_EVENTS[self._state]
        if self._held_bytes >= self._limits.part_bytes:
            return self._give_out(is_last=False)
        return None

    def _cut_json(self, data: bytes, begin: int) -> int:
        """Cut JSON frames; return how many bytes they took. This is the hot loop."""
        payloads = self._payloads
        append = payloads.append
        unpack = NUMBERED.unpack_from
        held = len(payloads)
        end = len(data)
        last = end - NUMBERED.size
        seq = self._last_seq
        at = begin
        for _ in repeat(None, self._missing):
            if at > last:
                break
            header, number, length = unpack(data, at)
            start = at + 10
            stop = start + length
            if header != JSON_HEADER or stop > end:
                break
            append(data[start:stop])
            seq = number
            at = stop
        self._missing -= len(payloads) - held
        self._last_seq = seq
        if at - begin > self._limits.frame_bytes:
            # The loop does not check each length; the bytes were in memory already.
            self._measure.allowed(max(map(len, payloads)), "JSON frame")
        return at - begin

    def _cut_data_frames(self, data: bytes, begin: int) -> int:
        """Cut version 1 data frames; return how many bytes they took."""
        at = begin
        while True:
            frame = data[at : at + self._measure.needed]
            self._payloads.append(data_frame_payload(frame))
            _header, self._last_seq, _pairs = NUMBERED.unpack_from(frame)
            self._missing -= 1
            at += self._measure.needed
            self._measure.next_frame()
            left = len(data) - at
            if (
                not self._missing
                or left < NUMBERED.size
                or data[at : at + HEADER_BYTES] != DATA_HEADER.to_bytes(2, "big")
            ):
                break
            self._measure.walk(data, at)
            if left < self._measure.needed:
                break
        return at - begin

    # --- compressed frames --------------------------------------------------------------

    def _take_compressed_frame(self) -> None:
        """Begin or continue to verify it; when that is done, its frames are next to be cut."""
        inner, frame_size = self._inner, self._measure.needed
        already = 0 if self._state is BETWEEN else self._window_bytes
        self._worked_bytes += inner.verify(self._received, frame_size, self._limits, already)
        if inner.is_verifying:
            return
        if inner.has_junk:
            self._odd.append(JUNK_AFTER_ZLIB)
        self._state = AFTER_COMPRESSED[self._state]
        self._consume(frame_size, is_inner=False)
        if not inner.data:
            self._inflate_more()

    def _inflate_more(self) -> None:
        needed, part_bytes = self._measure.needed, self._limits.part_bytes
        self._worked_bytes += self._inner.read_more(needed, part_bytes)

    # --- the end ------------------------------------------------------------------------

    def _end(self) -> Window | None:
        """After the peer's last byte: give out a part-filled window, or raise."""
        window = self.quiet_window()
        if window is not None:
            return window
        # A version 1 window without an event: a stream that was announced and never came.
        is_unused = self._version == VERSION_1 and self._state is ANNOUNCED
        if not self._received and (is_unused or not self.is_window_open):
            self._state = AFTER_END[self._state]
            return None
        filled = self._announced - self._missing
        raise ProtocolError(
            reason="truncated",
            detail=f"the peer closed with {len(self._received)} bytes of an unfinished frame"
            + (
                f", {filled} of {self._announced} events into a window"
                if self.is_window_open
                else ""
            ),
        )

    def forget(self) -> None:
        """Release everything not given out; no window is open any more."""
        self._state = BETWEEN
        self._received = bytearray()
        self._inner.forget()
        self._payloads, self._held_bytes = [], 0
