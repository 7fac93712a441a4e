"""zlib both ways, with isal where it is installed and the standard library where not.

A compressed frame comes from an untrusted peer, so it is inflated in bounded steps and never
beyond a limit. ``Inflation`` is one pass over one zlib stream. ``Verification`` is the pass
over a whole frame, a stretch at a time: it verifies the checksum and returns the bytes, or
only their number where they are more than the caller wants to hold.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from ptingest.errors import FrameTooLarge, ProtocolError

try:
    from isal import isal_zlib

    _new_decompressor: Any = isal_zlib.decompressobj
    _fast_compress: Any = isal_zlib.compress
    _broken: Any = isal_zlib.error
except ImportError:
    _new_decompressor = zlib.decompressobj
    _fast_compress = zlib.compress
    _broken = zlib.error

STEP_BYTES = 1 << 19
"""The most that one call into the inflate library returns. One call for a whole window takes
twice as long: the library grows its buffer by copying, into new memory each time."""
SMALLER_WINDOWS = (
    "set a smaller bulk_max_size in the Beat, or slow_start: true, which halves a window that fails"
)
"""What an operator can do where a Beat sends too large a window again and again."""
SLICE_BYTES = 1 << 18
"""Compressed bytes given to the library at a time; it copies what it does not consume."""
FASTEST_LEVELS = range(1, 4)
"""Levels that isal has as well, several times faster at about the same ratio."""


class Inflated(NamedTuple):
    """What one compressed frame holds."""

    data: bytes | None
    """The inflated bytes, or None where they are more than ``hold``."""
    size: int
    has_junk: bool
    """Bytes followed the end of the zlib stream."""


def deflate(data: bytes, level: int) -> bytes:
    """One zlib stream of ``data``; ``level`` is 1 to 9, as in Filebeat's config."""
    compress = _fast_compress if level in FASTEST_LEVELS else zlib.compress
    stream: bytes = compress(data, level)
    return stream


class Inflation:
    """One pass over the zlib stream in ``source[begin:end]``, some bytes at a time.

    Those bytes must not change during the pass; the source may grow behind them. Raises
    ProtocolError for anything but one whole, valid zlib stream.
    """

    __slots__ = ("_at", "_decompressor", "_end", "_source", "is_done")

    def __init__(self, source: bytes | bytearray, begin: int = 0, end: int | None = None) -> None:
        self._source = source
        self._at = begin
        self._end = len(source) if end is None else end
        _require_zlib_header(bytes(source[begin : min(begin + 2, self._end)]))
        self._decompressor = _new_decompressor()
        self.is_done = False
        """The stream has ended and its checksum was right."""

    @property
    def has_junk(self) -> bool:
        """Bytes follow the end of the stream; valid when done."""
        return bool(self._decompressor.unused_data) or self._at < self._end

    def read(self, most: int) -> bytes:
        """The next inflated bytes, at most ``most``; b"" only when done."""
        while not self.is_done:
            was_at_end = self._at >= self._end and not self._decompressor.unconsumed_tail
            try:
                data = self._step(most)
            except _broken as error:
                raise ProtocolError(
                    reason="bad_zlib", detail=f"compressed frame cannot be inflated: {error}"
                ) from None
            self.is_done = self._decompressor.eof
            if data:
                return data
            if not self.is_done and was_at_end:
                raise ProtocolError(
                    reason="truncated_zlib",
                    detail="the zlib stream in a compressed frame does not end within the frame",
                )
        return b""

    def _step(self, most: int) -> bytes:
        """Give the library what it did not consume, or else the next slice."""
        decompress: Callable[..., bytes] = self._decompressor.decompress
        if left := self._decompressor.unconsumed_tail:
            return decompress(left, most)
        # Views are released explicitly: a traceback, a debugger or a profiler that still refers
        # to this call would otherwise make it impossible to shorten the source.
        with (
            memoryview(self._source) as whole,
            whole[self._at : min(self._at + SLICE_BYTES, self._end)] as fresh,
        ):
            self._at += len(fresh)
            return decompress(fresh, most)


class Verification:
    """Inflates one whole frame to verify it, a stretch at a time.

    Up to ``hold`` bytes are kept; of a larger frame none are, they are only counted.
    ``source[begin:end]`` is the frame's zlib stream and must not change meanwhile.
    """

    __slots__ = ("_already", "_hold", "_inflation", "_kept", "_limit", "_setting", "_size")

    def __init__(
        self,
        source: bytes | bytearray,
        begin: int = 0,
        end: int | None = None,
        *,
        hold: int,
        limit: int,
        setting: str,
        already: int = 0,
    ) -> None:
        """``already``: bytes of the same window that count against ``limit``."""
        self._inflation = Inflation(source, begin, end)
        self._hold, self._limit, self._setting, self._already = hold, limit, setting, already
        self._kept: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes inflated so far."""
        return self._size

    @property
    def held_bytes(self) -> int:
        """Bytes kept so far."""
        return self._size if self._kept else 0

    def advance(self, most: int) -> Inflated | None:
        """Inflate about ``most`` bytes more; None while the end is not reached.

        Raises FrameTooLarge as soon as the frame and what was there already are more than
        the limit, and ProtocolError for a stream that is broken, cut, or empty.
        """
        inflation, left = self._inflation, self._limit - self._already
        until = self._size + most
        while not inflation.is_done and self._size <= left:
            if self._size >= until:
                return None
            data = inflation.read(min(STEP_BYTES, left - self._size + 1))
            self._size += len(data)
            if self._size <= self._hold:
                self._kept.append(data)
            else:
                self._kept.clear()
        return self._result(left)

    def _result(self, left: int) -> Inflated:
        size = self._size
        if size > left:
            raise FrameTooLarge(
                reason="inflated_too_large",
                what="size of the window, inflated so far,",
                declared=self._already + size,
                limit=self._limit,
                setting=self._setting,
                cure=SMALLER_WINDOWS,
            )
        if not size:
            raise ProtocolError(
                reason="empty_compressed_frame", detail="a compressed frame holds no frame"
            )
        has_junk = self._inflation.has_junk
        if size > self._hold:
            return Inflated(None, size, has_junk)
        data = self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)
        return Inflated(data, size, has_junk)


def _require_zlib_header(start: bytes) -> None:
    if start == b"\x1f\x8b":
        raise ProtocolError(
            reason="not_zlib",
            detail="a compressed frame holds gzip; Lumberjack compresses with zlib (RFC 1950)",
        )
    # Method 8 and a window of at most 32 KiB; isal does not look at the window.
    if len(start) < 2 or start[0] & 0x8F != 8 or int.from_bytes(start, "big") % 31:
        raise ProtocolError(
            reason="not_zlib",
            detail="a compressed frame does not begin as zlib does "
            f"(seen: {start.hex() or 'nothing'})",
        )
