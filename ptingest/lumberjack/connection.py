"""The server's side of one Lumberjack conversation, versions 1 and 2, without a socket.

Bytes go in through ``receive_data``, which only stores them, and come out of
``next_window`` as windows; acks are made by ``frames.ack_bytes`` for the caller to write.
Nothing here reads a clock, opens a file or awaits, so a test drives it byte by byte and a
fuzzer at full speed.

    received bytes --bare frames----------------------> cut --> payloads --> Window
                  \\--compressed frame, inflated once--/

Windows that wait stay compressed: ``next_window`` opens one compressed frame at a time.
A compressed frame is waited for whole and verified before any event of it is given out;
one that inflates to more than ``part_bytes`` is inflated twice, to verify it and then
to hand it out, and its window comes in parts. Nothing is allocated from an announced number.

Wire format: PROTOCOL.md in logstash-plugins/logstash-input-beats. Where that text and the
clients differ we follow the clients, and note in ``Window.odd`` what we put up with.
"""

from __future__ import annotations

from itertools import repeat
from typing import Final

from ptingest.errors import FrameTooLarge, ProtocolError
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
from ptingest.lumberjack.inflate import SMALLER_WINDOWS, STEP_BYTES, Inflation, Verification
from ptingest.lumberjack.measure import EVENTS, KINDS, Measure
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
"""Bare frames are cut from a copy of this many received bytes, not from all that wait."""
USUAL_EVENT_BYTES: Final = 2048
"""What an event is expected to take beside the first; of larger ones more copies are made."""
MAX_IDLE_WINDOWS: Final = 1024
"""Window frames in a row that no event follows; compressed, a million fit into a few KiB."""


class ServerConnection:
    """Cuts what one peer sends into windows; knows nothing of what happens to them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._failure: ProtocolError | None = None
        self._is_eof = False

        self._received = bytearray()
        # Inflated frames of the compressed frame that is being cut, and how far we are.
        self._inner = b""
        self._inner_at = 0
        # The first pass over a compressed frame, as long as it lasts.
        self._verification: Verification | None = None
        # The second pass over a large compressed frame, and the bytes it reads.
        self._inflation: Inflation | None = None
        self._compressed_bytes = 0
        self._compressed_version = 0
        # Kept over calls, so that a frame in many small reads is not looked at each time.
        self._measure = Measure(frame_bytes=limits.frame_bytes, pairs=limits.pairs)

        self._is_open = False
        self._version = 0
        self._announced = 0
        self._missing = 0
        self._payloads: list[bytes] = []
        self._held_bytes = 0
        self._window_bytes = 0
        self._has_events = False
        self._last_seq = 0
        self._odd: list[str] = []
        self._is_reusing_windows = False
        self._idle_windows = 0
        self._worked_bytes = 0
        self.frames = 0
        """Frames, or runs of bare events, that were taken from the front so far."""
        self.is_halfway = False
        """The last ``next_window`` returned None although it has bytes to go on with: it had
        done ``Limits.stretch_bytes`` of work. Call it again."""
        self.needs_room = False
        """It returned None because the frame at hand is larger than ``Limits.large_bytes``, and
        will be in memory several times while it is cut. Set ``has_room`` and call it again."""
        self.has_room = False

    # --- what the caller sees -----------------------------------------------------------

    @property
    def received_bytes(self) -> int:
        """Bytes in memory that were not given out yet.

        Waiting windows count as they came, compressed; what ``next_window`` has already
        inflated of a part-filled window counts inflated, since that is what it costs.
        """
        verified = self._verification.held_bytes if self._verification is not None else 0
        inner = len(self._inner) + verified
        return len(self._received) + inner + self._compressed_bytes + self._held_bytes

    @property
    def is_window_open(self) -> bool:
        """A window was begun and is not complete."""
        return self._is_open

    @property
    def is_frame_open(self) -> bool:
        """``next_window`` has seen the begin of a frame that is not whole yet."""
        return not self._inner and 0 < len(self._received) < self._measure.needed

    @property
    def version(self) -> int:
        """The version of the current or last window, 1 or 2; 2 before any."""
        return 1 if self._version == VERSION_1 else 2

    @property
    def has_compressed(self) -> bool:
        """Whether the peer has sent a compressed frame yet."""
        return self._compressed_version != 0

    def receive_data(self, data: bytes) -> None:
        """Store bytes as they came; nothing is looked at, nothing raises."""
        if self._failure is None:
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
        try:
            while self._worked_bytes < self._limits.stretch_bytes:
                window, is_waiting = self._step()
                if window is not None:
                    return window
                if is_waiting:
                    is_over = self._is_eof and not self.needs_room
                    return self._last_words() if is_over else None
            self.is_halfway = True
            return None
        except ProtocolError as error:
            # Without its traceback, whose frames would hold on to the window's bytes.
            self._failure = error.with_traceback(None)
            self.forget()
            raise

    def quiet_window(self) -> Window | None:
        """Give out a part-filled window of a peer whose habit that is.

        To be called when nothing came for a while and ``next_window`` returned None.
        Only v1 peers and those that announce one window for an endless stream leave
        windows part-filled and wait for an ack; for any other this returns None.
        """
        is_habit = self._version == VERSION_1 or self._is_reusing_windows
        if not (is_habit and self._is_open and self._has_events):
            return None
        self._odd.append(QUIET_WINDOW)
        return self._close_window()

    def part_window(self) -> Window | None:
        """Give out what a window that is not complete holds so far; None where that is nothing.

        To be called when memory is scarce and ``next_window`` returned None.
        """
        return self._give_out(is_last=False) if self._payloads else None

    # --- one frame, or one run of bare events, at a time --------------------------------

    def _step(self) -> tuple[Window | None, bool]:
        """Take what is at the front: a window if that completes one, and whether to wait."""
        is_inner = bool(self._inner)
        data: bytes | bytearray = self._inner if is_inner else self._received
        at = self._inner_at
        if len(data) - at >= self._measure.needed:
            header = self._measure.look(data, at, is_inner=is_inner)
            if header & 0xFF in KINDS:
                self._check_version(header, is_inner=is_inner)
        is_whole = len(data) - at >= self._measure.needed
        if self._measure.needed > self._limits.large_bytes and (is_inner or is_whole):
            self.needs_room = not self.has_room
            if self.needs_room:
                return None, True
        if not is_whole:
            return None, not (is_inner and self._inflate_more(len(data) - at))
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
            is_right = kind == WINDOW or not self._is_open or version == self._version
        if is_inner:
            is_right = is_right and version == self._compressed_version
        if not is_right:
            raise ProtocolError(
                reason="mixed_versions",
                detail=f"mixed versions: a frame that begins with {header.to_bytes(2, 'big')!r} "
                f"in a version {self.version} window",
            )

    def _consume(self, count: int, *, is_inner: bool) -> None:
        if is_inner:
            self._inner_at += count
            if self._inner_at == len(self._inner) and self._inflation is None:
                self._inner, self._inner_at = b"", 0
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
        if self._is_open:
            self._odd.append(SHORT_WINDOW)
            if self._has_events:
                # Not consumed: it is read again once the short window was given out.
                return self._close_window()
        if self._is_open or (is_inner and not count):
            self._count_idle_window()
        self._consume(COUNTED.size, is_inner=is_inner)
        self._version = header & 0xFF00
        self._open_window(count)
        if count:
            return None
        self._last_seq = 0
        return self._close_window()

    def _count_idle_window(self) -> None:
        self._idle_windows += 1
        if self._idle_windows > MAX_IDLE_WINDOWS:
            raise ProtocolError(
                reason="idle_windows",
                detail=f"more than {MAX_IDLE_WINDOWS} window frames in a row without an event",
            )

    def _open_window(self, count: int) -> None:
        self._is_open = True
        self._announced = self._missing = count
        self._window_bytes = 0
        self._has_events = False

    def _open_implied_window(self, version: int) -> None:
        """Begin the window of an event that no window frame announced."""
        if self._announced:
            self._odd.append(SURPLUS)
            self._is_reusing_windows = True
            self._open_window(self._announced)
        else:
            self._odd.append(DATA_WITHOUT_WINDOW)
            self._version = version
            self._open_window(1)
            self._announced = 0

    def _close_window(self) -> Window:
        window = self._give_out(is_last=True)
        self._is_open = False
        return window

    def _give_out(self, *, is_last: bool) -> Window:
        window = Window(
            payloads=self._payloads,
            last_seq=self._last_seq,
            version=self.version,
            is_last=is_last,
            announced=self._announced or len(self._payloads),
            odd=tuple(dict.fromkeys(self._odd)),
        )
        self._payloads = []
        self._held_bytes = 0
        self._odd = []
        return window

    # --- events -------------------------------------------------------------------------

    def _take_events(self, data: bytes | bytearray, at: int, *, is_inner: bool) -> Window | None:
        """Cut events from the front until the window is full or the bytes are something else."""
        if not self._is_open:
            self._open_implied_window(data[at] << 8)
        if not isinstance(data, bytes):
            # Of small windows, one after the other, each needs a few bytes only.
            usual = self._measure.needed + (self._missing - 1) * USUAL_EVENT_BYTES
            most = min(SNAPSHOT_BYTES, self._limits.part_bytes, usual)
            with memoryview(data) as view, view[: max(self._measure.needed, most)] as front:
                data = bytes(front)
        cut = self._cut_json if self._version == VERSION_2 else self._cut_data_frames
        count = cut(data, at)
        self._worked_bytes += count
        self._consume(count, is_inner=is_inner)
        self._has_events = True
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
            return self._close_window()
        if self._held_bytes >= self._limits.part_bytes:
            return self._give_out(is_last=False)
        return None

    def _cut_json(self, data: bytes, begin: int) -> int:
        """Cut JSON frames; return how many bytes they took. The hot loop of this room."""
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
            # The loop does not look at each length; the bytes were there already.
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
        """Verify it, or go on with that; once that is done its frames are at hand."""
        limits, frame_size = self._limits, self._measure.needed
        verification = self._verification
        if verification is None:
            verification = self._verification = Verification(
                self._received,
                COUNTED.size,
                frame_size,
                hold=limits.part_bytes,
                limit=limits.window_bytes,
                already=self._window_bytes if self._is_open else 0,
                setting="beats.limits.window_bytes",
            )
        before = verification.size
        inflated = verification.advance(limits.stretch_bytes)
        self._worked_bytes += verification.size - before
        if inflated is None:
            return
        self._verification = None
        if inflated.data is None:
            with memoryview(self._received) as view, view[COUNTED.size : frame_size] as stream:
                self._inflation = Inflation(bytes(stream))
                self._compressed_bytes = len(stream)
        self._compressed_version = self._received[0] << 8
        if inflated.has_junk:
            self._odd.append(JUNK_AFTER_ZLIB)
        self._consume(frame_size, is_inner=False)
        self._inner, self._inner_at = inflated.data or b"", 0
        if self._inflation is not None:
            self._inflate_more(0)

    def _inflate_more(self, left: int) -> bool:
        """Put more bytes behind the ``left`` ones that are not cut; or end the frame."""
        rest = self._inner[self._inner_at :]
        inflation = self._inflation
        if inflation is None or inflation.is_done:
            if left:
                raise ProtocolError(
                    reason="truncated_frame",
                    detail="a compressed frame ends inside one of its frames",
                )
            self._inner, self._inner_at = b"", 0
            self._inflation, self._compressed_bytes = None, 0
            return True
        more = [rest]
        wanted = max(min(STEP_BYTES, self._limits.part_bytes), self._measure.needed - left)
        while wanted > 0 and not inflation.is_done:
            more.append(inflation.read(wanted))
            wanted -= len(more[-1])
            self._worked_bytes += len(more[-1])
        self._inner, self._inner_at = b"".join(more), 0
        return True

    # --- the end ------------------------------------------------------------------------

    def _last_words(self) -> Window | None:
        """After the peer's last byte: the part-filled window, if its habit allows it."""
        window = self.quiet_window()
        if window is not None:
            return window
        is_idle = self._version == VERSION_1 and not self._has_events
        if not self._received and (not self._is_open or is_idle):
            return None
        filled = self._announced - self._missing
        raise ProtocolError(
            reason="truncated",
            detail=f"the peer left with {len(self._received)} bytes of an unfinished frame"
            + (f", {filled} of {self._announced} events into a window" if self._is_open else ""),
        )

    def forget(self) -> None:
        """Let go of everything not given out; a broken connection holds no memory."""
        self._is_open = False
        self._received = bytearray()
        self._verification = None
        self._inner, self._inner_at = b"", 0
        self._inflation, self._compressed_bytes = None, 0
        self._payloads, self._held_bytes = [], 0
