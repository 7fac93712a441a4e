"""From an annotation to how a value is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest

from ptingest.errors import Misfit
from ptingest.settings.shape import BROKEN, First, Limits, Then, reader_of
from ptingest.settings.strict import StrictSettings
from ptingest.settings.values import ByteSize, SecretStr

TwoLetters = Annotated[str, Limits(min_length=2)]


class Inner(StrictSettings):
    size: int = 1


def _even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd; add one")
    return number


def _halved(number: int) -> int:
    return number // 2


def _wrapped(value: Any) -> Any:
    return [value] if isinstance(value, int) else value


def read(annotation: Any, value: Any) -> tuple[Any, list[Misfit]]:
    misfits: list[Misfit] = []
    found = reader_of(annotation)(value, ("at",), misfits)
    return found, misfits


@pytest.mark.parametrize(
    ("annotation", "given", "found"),
    [
        pytest.param(str, "a", "a", id="text"),
        pytest.param(int, "5", 5, id="a whole number"),
        pytest.param(float, 5, 5.0, id="a number"),
        pytest.param(bool, "on", True, id="a boolean"),
        pytest.param(ByteSize, "1KiB", 1024, id="a size"),
        pytest.param(SecretStr, "a", SecretStr("a"), id="a secret"),
        pytest.param(Literal["a", "b"], "b", "b", id="a word"),
        pytest.param(int | None, None, None, id="nothing"),
        pytest.param(int | None, "5", 5, id="something that may be nothing"),
        pytest.param(Annotated[int, Limits(ge=1)] | None, 1, 1, id="limits of what may be nothing"),
        pytest.param(tuple[int, ...], ["1", 2], (1, 2), id="a list"),
        pytest.param(tuple[int, ...], (), (), id="an empty list"),
        pytest.param(dict[str, int], {"a": "1"}, {"a": 1}, id="a mapping"),
        pytest.param(Inner, {"size": 2}, Inner(size=2), id="a section"),
        pytest.param(dict[str, Inner], {"a": {}}, {"a": Inner()}, id="sections by name"),
        pytest.param(Annotated[tuple[int, ...], First(_wrapped)], 5, (5,), id="a step before"),
        pytest.param(
            Annotated[int, Then(_even), Then(_halved), Then(_even)], 8, 4, id="steps in order"
        ),
    ],
)
def test_what_fits_is_read(annotation: Any, given: Any, found: Any) -> None:
    assert read(annotation, given) == (found, [])


@pytest.mark.parametrize(
    ("annotation", "given", "kind"),
    [
        pytest.param(Literal["a", "b"], "c", "literal_error", id="another word"),
        pytest.param(Literal["a", "b"], ["a"], "literal_error", id="a list for a word"),
        pytest.param(int | None, "x", "int_type", id="neither a number nor nothing"),
        pytest.param(int, None, "int_type", id="nothing"),
        pytest.param(tuple[int, ...], "12", "list_type", id="text for a list"),
        pytest.param(tuple[int, ...], {"a": 1}, "list_type", id="a mapping for a list"),
        pytest.param(dict[str, int], ["a"], "dict_type", id="a list for a mapping"),
        pytest.param(Inner, [], "section_type", id="a list for a section"),
        pytest.param(Inner, None, "section_type", id="nothing for a section"),
        pytest.param(Annotated[int, Limits(ge=1, le=5)], 0, "out_of_bounds", id="too low"),
        pytest.param(Annotated[int, Limits(ge=1, le=5)], 6, "out_of_bounds", id="too high"),
        pytest.param(Annotated[float, Limits(gt=0)], 0, "out_of_bounds", id="the bound itself"),
        pytest.param(Annotated[float, Limits(gt=0)], "nan", "out_of_bounds", id="no number"),
        pytest.param(
            Annotated[float, Limits(gt=0, is_finite=True)], "inf", "finite_number", id="infinity"
        ),
        pytest.param(Annotated[str, Limits(min_length=1)], "", "string_too_short", id="no text"),
        pytest.param(Annotated[str, Limits(max_length=2)], "abc", "string_too_long", id="too long"),
        pytest.param(
            Annotated[str, Limits(pattern="^[a-z]+$")], "a1", "string_pattern_mismatch", id="shape"
        ),
        pytest.param(
            Annotated[str, Limits(pattern="^[a-z]+$")],
            "a\n",
            "string_pattern_mismatch",
            id="a newline after the shape",
        ),
        pytest.param(
            Annotated[tuple[int, ...], Limits(min_length=1)], [], "too_short", id="an empty list"
        ),
        pytest.param(
            Annotated[dict[str, int], Limits(min_length=1)], {}, "too_short", id="an empty mapping"
        ),
        pytest.param(Annotated[int, Then(_even)], 3, "judged", id="our own rule"),
    ],
)
def test_what_does_not_fit_is_told_once(annotation: Any, given: Any, kind: str) -> None:
    found, misfits = read(annotation, given)

    assert found is BROKEN
    assert [(one.kind, one.place, one.seen) for one in misfits] == [(kind, ("at",), given)]


def test_every_broken_entry_is_told_with_its_place() -> None:
    found, misfits = read(dict[str, tuple[int, ...]], {"a": [1, "x", None], "b": [2], "c": "y"})

    assert found is BROKEN
    assert [one.place for one in misfits] == [("at", "a", 1), ("at", "a", 2), ("at", "c")]


def test_a_list_of_broken_entries_is_not_called_empty() -> None:
    _, misfits = read(Annotated[tuple[int, ...], Limits(min_length=1)], ["x"])

    assert [one.place for one in misfits] == [("at", 0)]


def test_a_key_that_does_not_fit_is_told_at_its_place() -> None:
    found, misfits = read(dict[TwoLetters, int], {"ab": 1, "c": 2})

    assert found is BROKEN
    assert [(one.kind, one.place) for one in misfits] == [("string_too_short", ("at", "c"))]


@pytest.mark.parametrize("annotation", [int | str, list[int], tuple[int, int], set, object])
def test_an_annotation_nobody_reads_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="no setting may have the type"):
        reader_of(annotation)
