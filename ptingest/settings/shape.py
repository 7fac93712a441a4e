"""How a value is read, from the annotation of its setting.

    int, float, bool, str, ByteSize, SecretStr    Literal["a", "b"]    X | None
    tuple[X, ...]    dict[X, Y]    a settings model    Annotated[X, Limits(...), Then(...)]

A reader takes a value, its place and a list for misfits; it returns the value as the
setting holds it, or `BROKEN` after it has added to the list. It never raises.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from ptingest.errors import Misfit
from ptingest.settings.values import (
    ByteSize,
    SecretStr,
    read_boolean,
    read_number,
    read_secret,
    read_size,
    read_text,
    read_whole_number,
)

Place = tuple[str | int, ...]
Reader = Callable[[Any, Place, list[Misfit]], Any]
Step = Callable[[Any], Any]
"""Returns the value, changed or not; raises Misfit, or ValueError with a sentence of ours."""

BROKEN: Any = object()
"""Stands for a value that does not fit, until all have been read."""


class Limits(NamedTuple):
    """What a value may be, beyond its type: bounds, length, pattern of the whole text."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    is_finite: bool = False


class First(NamedTuple):
    """A step before the value is read."""

    step: Step


class Then(NamedTuple):
    """A step after the value was read."""

    step: Step


_PLAIN: dict[Any, Step] = {
    str: read_text,
    int: read_whole_number,
    float: read_number,
    bool: read_boolean,
    ByteSize: read_size,
    SecretStr: read_secret,
}


def reader_of(annotation: Any) -> Reader:
    """Return how to read what ``annotation`` describes.

    Raises:
        TypeError: it is none of the annotations this module knows.
    """
    metadata: tuple[Any, ...] = getattr(annotation, "__metadata__", ())
    bare = annotation.__origin__ if metadata else annotation
    steps: list[Step] = []
    for item in metadata:
        steps += _limit_steps(item, bare) if isinstance(item, Limits) else []
        steps += [item.step] if isinstance(item, Then) else []
    if bare in _PLAIN:
        return _stepwise(_taken, [_PLAIN[bare], *steps])
    inner = _composed(bare)
    for item in metadata:
        if isinstance(item, First):
            return _stepwise(_after(item.step, inner), steps)
    return _stepwise(inner, steps) if steps else inner


def _composed(annotation: Any) -> Reader:
    if hasattr(annotation, "read_section"):
        reader: Reader = annotation.read_section
        return reader
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _stepwise(_taken, [_one_of(members)])
    if origin is tuple and len(members) == 2 and members[1] is Ellipsis:
        return _list_of(reader_of(members[0]))
    if origin is dict:
        return _mapping_of(reader_of(members[0]), reader_of(members[1]))
    if origin in (Union, UnionType) and len(members) == 2 and members[1] is NoneType:
        return _nothing_or(reader_of(members[0]))
    raise TypeError(f"no setting may have the type {annotation}")


def _taken(value: Any, place: Place, misfits: list[Misfit]) -> Any:  # noqa: ARG001 - a Reader
    return value


def _stepwise(read: Reader, steps: list[Step]) -> Reader:
    def reader(given: Any, place: Place, misfits: list[Misfit]) -> Any:
        value = read(given, place, misfits)
        if value is BROKEN:
            return BROKEN
        try:
            for step in steps:
                value = step(value)
        except Misfit as misfit:
            misfit.place, misfit.seen = place, given
            misfits.append(misfit)
            return BROKEN
        except ValueError as error:
            misfits.append(Misfit("judged", str(error), place=place, seen=given))
            return BROKEN
        return value

    return reader


def _after(step: Step, read: Reader) -> Reader:
    def reader(value: Any, place: Place, misfits: list[Misfit]) -> Any:
        return read(step(value), place, misfits)

    return reader


def _nothing_or(read: Reader) -> Reader:
    def reader(value: Any, place: Place, misfits: list[Misfit]) -> Any:
        return None if value is None else read(value, place, misfits)

    return reader


def _list_of(read: Reader) -> Reader:
    def reader(value: Any, place: Place, misfits: list[Misfit]) -> Any:
        if not isinstance(value, list | tuple):
            said = "Input should be a valid list"
            misfits.append(Misfit("list_type", said, place=place, seen=value))
            return BROKEN
        found = tuple([read(one, (*place, at), misfits) for at, one in enumerate(value)])
        return BROKEN if BROKEN in found else found

    return reader


def _mapping_of(read_key: Reader, read: Reader) -> Reader:
    def reader(value: Any, place: Place, misfits: list[Misfit]) -> Any:
        if not isinstance(value, dict):
            said = "Input should be a valid dictionary"
            misfits.append(Misfit("dict_type", said, place=place, seen=value))
            return BROKEN
        found = {}
        for key, one in value.items():
            inner = (*place, key)
            found[read_key(key, inner, misfits)] = read(one, inner, misfits)
        return BROKEN if BROKEN in found or BROKEN in found.values() else found

    return reader


def _one_of(words: tuple[Any, ...]) -> Step:
    shown = [repr(word) for word in words]
    said = f"Input should be {', '.join(shown[:-1])} or {shown[-1]}"

    def step(value: Any) -> Any:
        if isinstance(value, str) and value in words:
            return value
        raise Misfit("literal_error", said)

    return step


# --- limits -----------------------------------------------------------------------------


def _limit_steps(limits: Limits, annotation: Any) -> list[Step]:
    if annotation is str:
        return _text_limits(limits)
    if limits.min_length is not None:
        return [_long_enough(limits.min_length)]
    return _number_limits(limits)


def _text_limits(limits: Limits) -> list[Step]:
    least, most, pattern = limits.min_length or 0, limits.max_length, limits.pattern

    def step(text: str) -> str:
        if len(text) < least:
            said = f"String should have at least {_counted(least, 'character')}"
            raise Misfit("string_too_short", said)
        if most is not None and len(text) > most:
            said = f"String should have at most {_counted(most, 'character')}"
            raise Misfit("string_too_long", said)
        if pattern is not None and not re.fullmatch(pattern, text):
            said = f"String should match pattern '{pattern}'"
            raise Misfit("string_pattern_mismatch", said)
        return text

    return [step]


def _long_enough(least: int) -> Step:
    def step(value: Any) -> Any:
        if len(value) < least:
            what = "Dictionary" if isinstance(value, dict) else "List"
            counted = _counted(least, "item")
            said = f"{what} should have at least {counted} after validation, not {len(value)}"
            raise Misfit("too_short", said)
        return value

    return step


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _number_limits(limits: Limits) -> list[Step]:
    ge, gt, le, is_finite = limits.ge, limits.gt, limits.le, limits.is_finite

    def step(value: float) -> float:
        if is_finite and not math.isfinite(value):
            raise Misfit("finite_number", "Input should be a finite number")
        # "not": what is no number is not within bounds either.
        if ge is not None and not value >= ge:
            raise Misfit("out_of_bounds", f"Input should be greater than or equal to {ge}")
        if gt is not None and not value > gt:
            raise Misfit("out_of_bounds", f"Input should be greater than {gt}")
        if le is not None and not value <= le:
            raise Misfit("out_of_bounds", f"Input should be less than or equal to {le}")
        return value

    return [step]
