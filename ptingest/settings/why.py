"""What is remembered of events that have passed, for ``ptingest why``."""

from __future__ import annotations

from typing import Annotated

from pydantic import ByteSize, Field

from ptingest.settings.strict import StrictSettings


class WhySettings(StrictSettings):
    """Memory of ``ptingest why``: a ring of the latest events; the oldest are forgotten first."""

    max_bytes: Annotated[ByteSize, Field(ge=0)] = ByteSize(16 << 20)
    """Three quarters hold the latest events whole, the rest the ids of the events before them
    (23 bytes each). 0 remembers nothing. With several workers each has an equal share."""
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the chunks (of 256 events at most) that are kept with their text; of the other
    chunks only the ids are kept."""
