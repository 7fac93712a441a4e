"""How many bytes the frame at the front takes, found out as its bytes arrive.

``Measure.look`` reads the lengths that are there and sets ``needed`` to the number of bytes
at which it must be called again; so a frame that arrives in many small reads is not parsed
for each of them. A frame that can be refused by its header or a length is refused here,
before its other bytes are waited for.
"""

from __future__ import annotations

from typing import Final

from ptingest.errors import FrameTooLarge, ProtocolError
from ptingest.lumberjack.frames import (
    ACK,
    COMPRESSED,
    COUNTED,
    DATA,
    HEADER_BYTES,
    ITEM,
    JSON,
    NUMBERED,
    VERSION_1,
    VERSION_2,
    WINDOW,
    bad_header,
    bytes_to_know_protocol,
)

EVENTS: Final = frozenset((JSON, DATA))
KINDS: Final = frozenset((WINDOW, JSON, DATA, COMPRESSED, ACK))


class Measure:
    """Finds out the size of one frame after another."""

    __slots__ = ("_frame_bytes", "_is_first", "_item_at", "_items_left", "_pairs", "needed")

    def __init__(self, *, frame_bytes: int, pairs: int) -> None:
        self._frame_bytes = frame_bytes
        self._pairs = pairs
        self._is_first = True
        # Progress in a data frame, whose header has no length.
        self._items_left = -1
        self._item_at = 0
        self.needed = HEADER_BYTES
        """The frame's size, or the number of bytes at which more of it is known."""

    def next_frame(self) -> None:
        """Start again at the header of the next frame."""
        self.needed = HEADER_BYTES
        self._items_left = -1

    def look(self, data: bytes | bytearray, at: int, *, is_inner: bool) -> int:
        """Read what the frame at ``at`` announces and return its header as a number.

        At least ``needed`` bytes must be there; afterwards ``needed`` is larger, or the
        frame is whole. Raises ProtocolError for what is not a frame, or one that may not
        come here, and FrameTooLarge for an announcement above a limit.
        """
        left = len(data) - at
        header = data[at] << 8 | data[at + 1]
        kind = header & 0xFF
        if header - kind not in (VERSION_1, VERSION_2) or kind not in KINDS:
            self._refuse(bytes(data[at : at + 4]), is_first=self._is_first and not is_inner)
            return header
        self._is_first = False
        if kind == ACK:
            raise ProtocolError(
                reason="ack_from_peer", detail="the peer sent an ack frame, which only servers send"
            )
        if kind == COMPRESSED and is_inner:
            raise ProtocolError(
                reason="nested_compression",
                detail="a compressed frame inside a compressed frame",
            )
        self.needed = max(self.needed, (NUMBERED if kind in EVENTS else COUNTED).size)
        if left < self.needed:
            return header
        if kind == COMPRESSED:
            _header, length = COUNTED.unpack_from(data, at)
            self.needed = COUNTED.size + self.allowed(length, "compressed frame")
        elif kind == JSON:
            _header, _seq, length = NUMBERED.unpack_from(data, at)
            self.needed = NUMBERED.size + self.allowed(length, "JSON frame")
        elif kind == DATA:
            self.walk(data, at)
        return header

    def walk(self, data: bytes | bytearray, at: int) -> None:
        """Follow the lengths of a data frame's items as far as there are bytes.

        The frame's header, seq and number of pairs must be there.
        """
        if self._items_left < 0:
            _header, _seq, pairs = NUMBERED.unpack_from(data, at)
            if pairs > self._pairs:
                raise FrameTooLarge(
                    reason="too_many_pairs",
                    what="number of pairs in a data frame",
                    declared=pairs,
                    limit=self._pairs,
                    setting="beats.limits.pairs",
                )
            self._items_left, self._item_at = 2 * pairs, NUMBERED.size
        left = len(data) - at
        while self._items_left:
            self.needed = self._item_at + ITEM.size
            if left < self.needed:
                return
            (length,) = ITEM.unpack_from(data, at + self._item_at)
            self.needed = self.allowed(self.needed + length, "data frame")
            if left < self.needed:
                return
            self._item_at = self.needed
            self._items_left -= 1
        self.needed = self._item_at

    def allowed(self, length: int, what: str) -> int:
        """``length``, if ``frame_bytes`` allows it; else raises FrameTooLarge."""
        if length > self._frame_bytes:
            raise FrameTooLarge(
                reason="frame_too_large",
                what=f"length of a {what}",
                declared=length,
                limit=self._frame_bytes,
                setting="beats.limits.frame_bytes",
            )
        return length

    def _refuse(self, start: bytes, *, is_first: bool) -> None:
        enough = bytes_to_know_protocol(start) if is_first else HEADER_BYTES
        if len(start) >= enough:
            raise bad_header(start, is_first=is_first)
        self.needed = enough
