"""The dead letters: where events wait that no sink will take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ByteSize, Field

from ptingest.settings.strict import PositiveBytes, StrictSettings


class DeadLettersSettings(StrictSettings):
    """Kept under ``data_dir``/dead_letters, fsynced before a window is acked."""

    max_bytes: PositiveBytes = ByteSize(1 << 30)
    """All segments together, with their marks and torn tails."""
    max_age_days: Annotated[float, Field(gt=0)] = 30.0
    """Segments whose youngest letter is older are deleted."""
    when_full: Literal["refuse", "drop_oldest"] = "refuse"
    """``refuse``: no ack, the Beat resends, readiness turns red. ``drop_oldest``: the oldest
    segment is deleted and counted, which loses its events."""
