"""What all settings models share: frozen, no unknown keys, limits in the type.

A field's docstring states its consequence. pydantic is not asked to collect them
(`use_attribute_docstrings`): parsing our own source again costs every start 50 ms.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ByteSize, ConfigDict, Field


class StrictSettings(BaseModel):
    """Root of every settings model."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        arbitrary_types_allowed=False,
    )


PositiveBytes = Annotated[ByteSize, Field(ge=1)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
