"""Turns validation errors into sentences that an operator can act on.

pydantic says which rule was broken; this module says what the file has, what is allowed there,
and what to write instead. Secrets, and text that came from a variable into a secret, never
appear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ByteSize, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from ptingest.errors import ConfigProblem
from ptingest.settings.foreign import counterpart_of
from ptingest.settings.interpolate import Interpolated
from ptingest.settings.parse import ParsedYaml, Place, dotted

MASK = "**********"

_USER_INFO = re.compile(r"(?<=//)[^/@\s'\"]+@")
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def explain(
    error: ValidationError, *, model: type[BaseModel], parsed: ParsedYaml, values: Interpolated
) -> list[ConfigProblem]:
    """Return one problem for each place of ``error`` that was not reported before."""
    problems: list[ConfigProblem] = []
    reported: set[Place] = set(values.failed)
    details = error.errors(include_url=False)
    places = [_real_place(detail, values.root) for detail in details]
    for detail, place in zip(details, places, strict=True):
        if place in reported:
            continue  # a union tries every member and reports each
        if _is_echo(detail, place, values, places):
            continue
        reported.add(place)
        problems.append(_problem(detail, place, model, parsed, values))
    return [_without_secrets(problem, model, values) for problem in problems]


def _is_echo(
    detail: ErrorDetails, place: Place, values: Interpolated, places: Sequence[Place]
) -> bool:
    """Say whether an error only follows from another one at a deeper place.

    A list whose entries are all broken counts as empty; a section is validated as a whole also
    when a variable in it is missing.
    """
    if detail["type"] == "too_short":
        return any(other[: len(place)] == place and other != place for other in places)
    if detail["type"] == "value_error":
        return any(failed[: len(place)] == place for failed in values.failed)
    return False


class Spot(NamedTuple):
    """Where in the schema a place is: the field, or the section that lacks it."""

    section: type[BaseModel] | None
    field: FieldInfo | None
    annotation: Any


def find_spot(model: type[BaseModel], place: Place) -> Spot:
    """Follow ``place`` through the annotations of ``model``."""
    section: type[BaseModel] | None = model
    field: FieldInfo | None = None
    annotation: Any = model
    for part in place:
        section = next(_models_in(annotation), None)
        if section is not None and isinstance(part, str):
            field = section.model_fields.get(part)
            annotation = field.annotation if field is not None else None
        else:
            field, annotation = None, _inner(annotation, part)
    return Spot(section, field, annotation)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (list, tuple, dict, set, frozenset):
        for member in get_args(annotation):
            yield from _models_in(member)


def _inner(annotation: Any, part: str | int) -> Any:
    """The type of one element of a list, tuple or mapping."""
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is dict and len(members) == 2:
        return members[1]
    if origin is tuple and Ellipsis not in members and isinstance(part, int):
        return members[part] if part < len(members) else None
    if origin in (list, tuple, set, frozenset) and members:
        return members[0]
    for member in members:
        found = _inner(member, part)
        if found is not None:
            return found
    return None


def _real_place(detail: ErrorDetails, root: Any) -> Place:
    """The part of pydantic's location that exists in the file.

    Members of unions and validators add their names to it; a missing key ends it.
    """
    place: list[str | int] = []
    value = root
    for part in detail["loc"]:
        is_key = isinstance(value, dict) and part in value
        if is_key or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            place.append(part)
            value = value[part]
    if detail["type"] == "missing":
        place.append(detail["loc"][-1])
    return tuple(place)


def _problem(
    detail: ErrorDetails,
    place: Place,
    model: type[BaseModel],
    parsed: ParsedYaml,
    values: Interpolated,
) -> ConfigProblem:
    spot = find_spot(model, place)
    kind = detail["type"]
    if kind == "missing":
        return parsed.problem(place, "is missing", f"add it: {allowed(spot)}")
    if kind == "extra_forbidden":
        return parsed.problem(place, "is not a setting", _near(place, model, spot))
    if kind == "too_short":
        least = detail["ctx"]["min_length"]
        return parsed.problem(place, "is empty", f"give it at least {least}")
    if kind in ("value_error", "assertion_error"):
        # The messages of our own validators are complete: what is wrong; the cure.
        text = str(detail["ctx"]["error"]) if "ctx" in detail else detail["msg"]
        seen, semicolon, cure = text.rpartition("; ")
        if not semicolon:
            seen, cure = text, "change or remove it"
        return parsed.problem(place, f"cannot be used: {seen}", cure)
    shown = _shown(detail["input"], place, spot, values)
    is_ours = kind != "too_long" and not kind.startswith("string_too_") and spot.annotation
    may_be = allowed(spot) if is_ours else _plain(detail)
    cure = _cure(spot)
    if may_be.startswith("text") and isinstance(detail["input"], int | float):
        cure = "write it in quotes"
    if may_be == "a list" and isinstance(detail["input"], str):
        cure = f"write it as a list: [{_as_entries(shown)}]"
    return parsed.problem(place, f"is {shown}, must be {may_be}", cure)


def explain_booleans(
    *, model: type[BaseModel], parsed: ParsedYaml, values: Interpolated
) -> list[ConfigProblem]:
    """Return a problem for each true or false in place of a number; pydantic reads it as 1 or
    0."""
    problems = []
    for place, value in _leaves(values.root, ()):
        spot = find_spot(model, place)
        if isinstance(value, bool) and _is_number(spot.annotation):
            seen = f"is {show_default(value)}, must be {allowed(spot)}"
            problems.append(parsed.problem(place, seen, _cure(spot)))
    return problems


def _is_number(annotation: Any) -> bool:
    members = get_args(annotation)
    if not members:
        return (
            isinstance(annotation, type)
            and issubclass(annotation, int | float)
            and (annotation is not bool)
        )
    return bool not in members and any(_is_number(member) for member in members)


def _shown(value: Any, place: Place, spot: Spot, values: Interpolated) -> str:
    if is_secret(spot.annotation):
        return MASK
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if place in values.sources:
        return f"{_cut(value)} (from {_cut(values.sources[place])})"
    return _cut(value)


def _as_entries(shown: str) -> str:
    """Write a text as the entries of a list, as far as it is shown."""
    parts = [part.strip() for part in shown.partition(" (from ")[0].strip("'").split(",")]
    return ", ".join(f'"{part}"' for part in parts if part)


def _cut(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def is_secret(annotation: Any) -> bool:
    """Say whether a value of this type must not be shown."""
    if isinstance(annotation, type) and issubclass(annotation, SecretStr):
        return True
    return any(is_secret(member) for member in get_args(annotation))


def allowed(spot: Spot) -> str:
    """What may stand there, from the type and its bounds."""
    annotation, field = spot.annotation, spot.field
    metadata = list(field.metadata) if field is not None else []
    return _describe(annotation, metadata, field)


def _describe(annotation: Any, metadata: list[Any], field: FieldInfo | None) -> str:
    members = get_args(annotation)
    if hasattr(annotation, "__metadata__"):  # Annotated inside a union or a list
        inner = list(annotation.__metadata__)
        return _describe(members[0], [*_flatten(inner), *metadata], field)
    origin = get_origin(annotation)
    if origin is Literal:
        return _either([str(member) for member in members])
    if origin in (list, tuple, set, frozenset):
        return "a list"
    if origin is dict or (not members and next(_models_in(annotation), None) is not None):
        return "a section with keys of its own"
    if members:
        known = [
            "empty (null)" if member is NoneType else _describe(member, metadata, field)
            for member in members
        ]
        return _either(known)
    return _describe_plain(annotation, metadata, field)


def _describe_plain(annotation: Any, metadata: list[Any], field: FieldInfo | None) -> str:
    bounds = _bounds(metadata)
    if annotation is bool:
        return "true or false"
    if isinstance(annotation, type) and issubclass(annotation, ByteSize):
        return "a size such as 64MiB"
    if annotation is int:
        return bounds or "a whole number"
    if annotation is float:
        return bounds or "a number"
    pattern = next((item.pattern for item in metadata if getattr(item, "pattern", None)), None)
    if pattern is not None:
        default = None if field is None else field.default
        if isinstance(default, str):
            return f"like {default!r}"
        return f"text that matches {pattern}"
    return "text"


def _flatten(metadata: list[Any]) -> list[Any]:
    return [
        inner
        for item in metadata
        for inner in (item.metadata if isinstance(item, FieldInfo) else [item])
    ]


def _bounds(metadata: list[Any]) -> str:
    found: dict[str, Any] = {}
    for item in metadata:
        for name in ("gt", "ge", "lt", "le"):
            limit = getattr(item, name, None)
            if limit is not None:
                found[name] = limit
    low = found.get("ge")
    high = found.get("le")
    if low is not None and high is not None:
        return f"{low} to {high}" if low != high else f"{low}"
    words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    return " and ".join(f"{words[name]} {limit:g}" for name, limit in found.items())


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _plain(detail: ErrorDetails) -> str:
    """pydantic's own sentence, changed so that it follows "must be"."""
    message = detail["msg"]
    for opening in ("Input should be ", "Value should "):
        message = message.removeprefix(opening)
    return message[:1].lower() + message[1:]


def _cure(spot: Spot) -> str:
    field = spot.field
    if field is None or field.is_required():
        return "change it"
    default = field.default
    if default is PydanticUndefined or isinstance(default, BaseModel):
        return "remove the line to get the defaults"
    if default is None:
        return "remove the line to do without"
    return f"remove the line to get {show_default(default)}"


def show_default(value: Any) -> str:
    """Write a default as it is written in the config file."""
    if value is None:
        return "none"
    if isinstance(value, ByteSize):
        return show_bytes(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def show_bytes(count: int) -> str:
    """Write a size with the largest binary unit that divides it: ``64MiB``."""
    unit = 0
    while count and count % 1024 == 0 and unit < len(_BINARY_UNITS) - 1:
        count, unit = count // 1024, unit + 1
    return f"{count}{_BINARY_UNITS[unit]}"


def _near(place: Place, model: type[BaseModel], spot: Spot) -> str:
    """The cure for an unknown key: its counterpart here, the key that was probably meant, its
    right section, or the known keys."""
    name, path = str(place[-1]), dotted(place)
    if (cure := counterpart_of(path)) is not None:
        return cure
    if "." in name and any(dotted(known) == path for known in all_places(model)):
        outer, _, inner = name.partition(".")
        return f"write it as a section: `{outer}:`, and below it, indented, `{inner}: ...`"
    siblings = list(spot.section.model_fields) if spot.section is not None else []
    elsewhere = [known for known in all_places(model) if known[-1] == name]
    if elsewhere:
        return f"it belongs to {_either([dotted(known[:-1]) or 'the top' for known in elsewhere])}"
    from difflib import get_close_matches

    close = get_close_matches(name, siblings, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}? Or remove the line"
    return f"remove the line; known here: {', '.join(siblings)}"


def all_places(model: type[BaseModel]) -> Iterator[Place]:
    """Yield the place of every setting of ``model``, sections before their settings."""
    for name, field in model.model_fields.items():
        yield (name,)
        for inner in _models_in(field.annotation):
            for place in all_places(inner):
                yield (name, *place)


def _without_secrets(
    problem: ConfigProblem, model: type[BaseModel], values: Interpolated
) -> ConfigProblem:
    """Mask what a validator may have quoted: logins in addresses, text of secret fields."""
    seen = _USER_INFO.sub(f"{MASK}@", problem.seen)
    cure = _USER_INFO.sub(f"{MASK}@", problem.cure)
    for secret in sorted(_secrets(model, values), key=len, reverse=True):
        seen, cure = seen.replace(secret, MASK), cure.replace(secret, MASK)
    return ConfigProblem(
        file=problem.file, line=problem.line, path=problem.path, seen=seen, cure=cure
    )


def _secrets(model: type[BaseModel], values: Interpolated) -> Iterator[str]:
    for place, value in _leaves(values.root, ()):
        # Short values are not secrets, and masking them would make every message unreadable.
        if not isinstance(value, str) or len(value) < 4:
            continue
        if is_secret(find_spot(model, place).annotation):
            yield value


def _leaves(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*place, index))
    else:
        yield place, value
