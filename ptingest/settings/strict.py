"""What all settings models share: frozen, no unknown keys, docstrings as descriptions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ByteSize, ConfigDict, Field


class StrictSettings(BaseModel):
    """Root of every settings model."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        arbitrary_types_allowed=False,
    )


PositiveBytes = Annotated[ByteSize, Field(ge=1)]
PositiveSeconds = Annotated[float, Field(gt=0)]
