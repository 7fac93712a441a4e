"""The dead letters: where events wait that no sink will take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ByteSize, Field

from ptingest.settings.strict import PositiveBytes, StrictSettings


class DeadLettersSettings(StrictSettings):
    """Events that no sink takes, kept under ``data_dir``/dead_letters and fsynced before their
    window is acked."""

    max_bytes: PositiveBytes = ByteSize(1 << 30)
    """Size of the folder: all segments, with their marks and torn tails."""
    max_age_days: Annotated[float, Field(gt=0)] = 30.0
    """A segment is deleted when its youngest letter is older."""
    when_full: Literal["refuse", "drop_oldest"] = "refuse"
    """``refuse``: no ack, the Beat resends, readiness turns red. ``drop_oldest``: the oldest
    segment is deleted and counted; its events are lost."""
