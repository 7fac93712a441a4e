"""The limits of a conversation, and the windows it gives out."""

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
    """How much one peer may announce or send; named as in ``beats.limits``."""

    window_events: int = 65_536
    frame_bytes: int = 64 << 20
    window_bytes: int = 256 << 20
    pairs: int = 4096
    part_bytes: int = 8 << 20
    """A window that grows beyond this is given out in parts."""
    stretch_bytes: int = sys.maxsize
    """How much one call inflates and cuts, about; see ``ServerConnection.is_halfway``."""
    large_bytes: int = sys.maxsize
    """A frame larger than this waits for room; see ``ServerConnection.needs_room``."""


class Window(NamedTuple):
    """The events that one ack will answer, or a part of them."""

    payloads: list[bytes]
    """One undecoded event each, in wire order; v1 data frames are converted to JSON objects."""
    last_seq: int
    """The last event's own number, which the ack echoes; valid when ``is_last``."""
    version: int
    is_last: bool
    """False for a part of a large window when more parts follow."""
    announced: int
    """The number of events in the window frame, or the number assumed without one."""
    odd: tuple[str, ...]
    """Which of ``ODDITIES`` were tolerated."""
