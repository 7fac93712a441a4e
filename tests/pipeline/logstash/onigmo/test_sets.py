from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.onigmo import sets


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("alpha", "aé中", "1_ "),
        ("alnum", "aé٣", "_ "),
        ("punct", "!«$", "a "),
        ("graph", "a!", " \n"),
        ("print", "a ", "\n\t"),
        ("blank", " \t\u00a0", "\n"),
        ("cntrl", "\n\x7f", " "),
        ("word", "a_\u0301", "- "),
        ("xdigit", "aF9", "g٣"),
        ("upper", "AÉ", "a1"),
    ],
)
def test_what_a_name_in_brackets_holds(name: str, inside: str, outside: str) -> None:
    found = sets.bracket(name)

    assert found is not None
    assert all(sets.holds(found, ord(one)) for one in inside)
    assert not any(sets.holds(found, ord(one)) for one in outside)


def test_what_differs_only_in_case() -> None:
    assert {chr(at) for at, _ in sets.any_case(((ord("k"), ord("k")),))} == {"k", "K", "\u212a"}
    assert sets.any_case(((48, 57),)) == ((48, 57),)


def test_sets_are_computed_with() -> None:
    assert sets.without(((97, 122),), ((98, 98),)) == ((97, 97), (99, 122))
    assert sets.common(((97, 122),), ((0, 99),)) == ((97, 99),)
