"""The compressed frame whose inner frames are being cut, from its verification to its end.

verify (one stretch a call) --up to part_bytes--> the inflated bytes are held
                            --larger------------> inflated a second time, by read_more
"""

from __future__ import annotations

from ptingest.errors import ProtocolError
from ptingest.lumberjack.frames import COUNTED
from ptingest.lumberjack.inflate import STEP_BYTES, Inflation, Verification
from ptingest.lumberjack.window import Limits


class CompressedFrame:
    """Inflated bytes of one compressed frame after the other; empty between them."""

    __slots__ = (
        "_inflation", "_stream_bytes", "_verification", "at", "data", "has_junk", "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.data = b""
        """Inflated bytes; ``b""`` where no compressed frame is being cut."""
        self.at = 0
        """How many of them were cut."""
        self.version = 0
        """Version byte of the last compressed frame, shifted as in a header; 0 before any."""
        self.has_junk = False
        """Bytes followed the zlib stream of the last one."""
        # The first pass, as long as it lasts.
        self._verification: Verification | None = None
        # The second pass over a large frame, and how many compressed bytes it holds.
        self._inflation: Inflation | None = None
        self._stream_bytes = 0

    @property
    def is_verifying(self) -> bool:
        """The first pass has begun and is not done."""
        return self._verification is not None

    @property
    def held_bytes(self) -> int:
        """Bytes in memory here; the compressed bytes of a first pass are the caller's."""
        verified = self._verification.held_bytes if self._verification is not None else 0
        return len(self.data) + verified + self._stream_bytes

    def verify(self, received: bytearray, size: int, limits: Limits, already: int) -> int:
        """Go on with the first pass over the frame of ``size`` bytes that ``received`` begins
        with; return how many bytes that inflated. ``already`` bytes of its window came before.

        Raises ProtocolError for a broken zlib stream and FrameTooLarge for a window of more
        than ``limits.window_bytes``.
        """
        verification = self._verification
        if verification is None:
            verification = self._verification = Verification(
                received,
                COUNTED.size,
                size,
                hold=limits.part_bytes,
                limit=limits.window_bytes,
                already=already,
                setting="beats.limits.window_bytes",
            )
        before = verification.size
        inflated = verification.advance(limits.stretch_bytes)
        if inflated is None:
            return verification.size - before
        self._verification = None
        if inflated.data is None:
            with memoryview(received) as view, view[COUNTED.size : size] as stream:
                self._inflation = Inflation(bytes(stream))
                self._stream_bytes = len(stream)
        self.version = received[0] << 8
        self.has_junk = inflated.has_junk
        self.data, self.at = inflated.data or b"", 0
        return verification.size - before

    def read_more(self, needed: int, part_bytes: int) -> int:
        """Inflate more behind the bytes that are not cut, ``needed`` in all or up to the end of
        the stream; return how many. At the end of the frame nothing is left.

        Raises ProtocolError where the frame ends inside one of its frames.
        """
        inflation = self._inflation
        left = len(self.data) - self.at
        if inflation is None or inflation.is_done:
            if left:
                raise ProtocolError(
                    reason="truncated_frame",
                    detail="a compressed frame ends inside one of its frames",
                )
            self.data, self.at = b"", 0
            self._inflation, self._stream_bytes = None, 0
            return 0
        more = [self.data[self.at :]]
        wanted = max(min(STEP_BYTES, part_bytes), needed - left)
        while wanted > 0 and not inflation.is_done:
            more.append(inflation.read(wanted))
            wanted -= len(more[-1])
        self.data, self.at = b"".join(more), 0
        return len(self.data) - left

    def consume(self, count: int) -> None:
        """``count`` more bytes were cut."""
        self.at += count
        if self.at == len(self.data) and self._inflation is None:
            self.data, self.at = b"", 0

    def forget(self) -> None:
        """Release everything held."""
        self.data, self.at = b"", 0
        self._verification = self._inflation = None
        self._stream_bytes = 0
