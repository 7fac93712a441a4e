"""zlib both ways, with isal where it is installed and the standard library where not.

A compressed frame comes from a stranger, so it is inflated in bounded steps and never
further than a cap. ``Inflation`` is one pass over one zlib stream; ``inflate`` is the
pass that looks at a whole frame: it verifies the checksum and returns the bytes, or,
where they are more than the caller wants to hold, only their number.

Nothing here knows what the inflated bytes mean.
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
"""Most that one call into the inflate library may put out. One call for a whole window
takes twice as long: the library grows its buffer by copying, and each size is new memory."""
SLICE_BYTES = 1 << 18
"""Compressed bytes given to the library at a time: it copies what it did not consume."""
FASTEST_LEVELS = range(1, 4)
"""Levels that isal has too, several times quicker at about zlib's ratio."""


class Inflated(NamedTuple):
    """What one compressed frame holds."""

    data: bytes | None
    """The inflated bytes, or None where they are more than was to be held."""
    size: int
    has_junk: bool
    """Bytes followed the end of the zlib stream."""


def deflate(data: bytes, level: int) -> bytes:
    """One zlib stream of ``data``; ``level`` is 1 to 9, as in Filebeat's config."""
    compress = _fast_compress if level in FASTEST_LEVELS else zlib.compress
    stream: bytes = compress(data, level)
    return stream


class Inflation:
    """One pass over the zlib stream in ``source``, as many bytes at a time as asked for.

    ``source`` must not change while the pass lasts. Raises ProtocolError for what is not
    one whole, sound zlib stream.
    """

    __slots__ = ("_at", "_decompressor", "_source", "is_done")

    def __init__(self, source: bytes | memoryview) -> None:
        _require_zlib_header(bytes(source[:2]))
        self._source = source
        self._at = 0
        self._decompressor = _new_decompressor()
        self.is_done = False
        """The stream has ended and its checksum was right."""

    @property
    def has_junk(self) -> bool:
        """Bytes follow the end of the stream; only to be asked when done."""
        return bool(self._decompressor.unused_data) or self._at < len(self._source)

    def read(self, most: int) -> bytes:
        """The next inflated bytes, at most ``most``; b"" only when done."""
        while not self.is_done:
            was_at_end = self._at >= len(self._source) and not self._decompressor.unconsumed_tail
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
        """Give the library what it left, else the next slice."""
        decompress: Callable[..., bytes] = self._decompressor.decompress
        if left := self._decompressor.unconsumed_tail:
            return decompress(left, most)
        # Views are let go of in so many words: whoever still holds this frame (a debugger, a
        # profiler, a traceback) would keep the source from ever being cut.
        with (
            memoryview(self._source) as whole,
            whole[self._at : self._at + SLICE_BYTES] as fresh,
        ):
            self._at += len(fresh)
            return decompress(fresh, most)


def inflate(
    source: bytes | memoryview, *, hold: int, limit: int, setting: str, already: int = 0
) -> Inflated:
    """Inflate one whole frame and verify it.

    Up to ``hold`` bytes are returned; beyond that nothing is kept, the bytes are only
    counted. Raises FrameTooLarge as soon as they and the ``already`` counted ones are
    more than ``limit``, and ProtocolError for a stream that is broken, cut, or empty.
    """
    most = limit - already
    inflation = Inflation(source)
    kept: list[bytes] = []
    size = 0
    while not inflation.is_done and size <= most:
        data = inflation.read(min(STEP_BYTES, most - size + 1))
        size += len(data)
        if size <= hold:
            kept.append(data)
        else:
            kept.clear()
    if size > most:
        raise FrameTooLarge(
            reason="inflated_too_large",
            what="size of the window, inflated so far,",
            declared=already + size,
            limit=limit,
            setting=setting,
        )
    if not size:
        raise ProtocolError(
            reason="empty_compressed_frame", detail="a compressed frame holds no frame"
        )
    if size > hold:
        return Inflated(None, size, inflation.has_junk)
    data = kept[0] if len(kept) == 1 else b"".join(kept)
    return Inflated(data, size, inflation.has_junk)


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
