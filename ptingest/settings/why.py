"""What is remembered of events that have passed, for ``ptingest why``."""

from __future__ import annotations

from typing import Annotated

from pydantic import ByteSize, Field

from ptingest.settings.strict import StrictSettings


class WhySettings(StrictSettings):
    """A ring in memory; the oldest is forgotten first."""

    max_bytes: Annotated[ByteSize, Field(ge=0)] = ByteSize(16 << 20)
    """Most of it holds whole events of the last moments, a quarter the ids of those before
    them. 0 remembers nothing. Workers share it evenly."""
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the chunks (of 256 events at most) that are kept with their text; of the
    others only the ids."""
