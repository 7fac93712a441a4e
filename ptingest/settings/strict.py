"""Base of all settings models: frozen, no unknown keys, limits in the type.

A field's docstring states its consequence. pydantic does not collect them
(`use_attribute_docstrings`): parsing our own source again would cost every start some 20 ms.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, Field

from ptingest.model.address import split_listen


class StrictSettings(BaseModel):
    """Root of every settings model."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        arbitrary_types_allowed=False,
        # The root builds the validators of its sections; building them for each section too
        # would double the work.
        defer_build=True,
    )


Section = TypeVar("Section", bound=StrictSettings)


def section(model: type[Section], **given: object) -> Section:  # noqa: ARG001 - names the type
    """Default of a section: the same as a section in the file with ``given`` and no more.

    An instance in its place would cost each start a validator that is never used again.
    """
    return cast(Section, Field(default_factory=lambda: given))


def split_at_commas(value: Any) -> Any:
    """Divide addresses at their commas, as a variable may hold them; no address has one."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        return value
    divided = (one.split(",") if isinstance(one, str) else [one] for one in given)
    entries = [one.strip() if isinstance(one, str) else one for some in divided for one in some]
    return [one for one in entries if one != ""]


PositiveBytes = Annotated[ByteSize, Field(ge=1)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _known_port(listen: str) -> str:
    port = split_listen(listen)[1]
    if port > 65535:
        raise ValueError(f"port {port} does not exist; write one from 0 to 65535")
    return listen


ListenAddress = Annotated[str, Field(pattern=r"^[^\s]+:[0-9]{1,5}$"), AfterValidator(_known_port)]
"""``host:port``; port 0 picks a free one."""
