"""What a conversation is allowed, and what it gives out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final, NamedTuple

SHORT_WINDOW: Final = "short_window"
QUIET_WINDOW: Final = "quiet_window"
SURPLUS: Final = "surplus"
DATA_WITHOUT_WINDOW: Final = "data_without_window"
JUNK_AFTER_ZLIB: Final = "junk_after_zlib"
ODDITIES: Final = (SHORT_WINDOW, QUIET_WINDOW, SURPLUS, DATA_WITHOUT_WINDOW, JUNK_AFTER_ZLIB)
"""Everything that ``Window.odd`` may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one peer may announce or send; the meaning is that of ``beats.limits``."""

    window_events: int = 65_536
    frame_bytes: int = 64 << 20
    window_bytes: int = 256 << 20
    pairs: int = 4096
    part_bytes: int = 8 << 20
    """A window that grows beyond this is given out in parts."""
    stretch_bytes: int = sys.maxsize
    """About so much is inflated and cut by one call; see ``ServerConnection.is_halfway``."""
    large_bytes: int = sys.maxsize
    """A frame larger than this waits for room; see ``ServerConnection.needs_room``."""


class Window(NamedTuple):
    """The events that one ack will answer, or a part of them."""

    payloads: list[bytes]
    """One undecoded event each, in wire order; a v1 data frame is a JSON object by now."""
    last_seq: int
    """The last event's own number, to be echoed by the ack; valid when ``is_last``."""
    version: int
    is_last: bool
    """False for a part of a large window of which more parts will come."""
    announced: int
    """What the window frame said, or was taken to say."""
    odd: tuple[str, ...]
    """Which of ``ODDITIES`` were put up with."""
