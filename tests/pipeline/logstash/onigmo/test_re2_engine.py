from __future__ import annotations

import re

import pytest

from ptingest.pipeline.logstash.onigmo.re2_engine import Re2, re2_or_none


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(?P<g1>[a-z]+)(?P<g2>x)?", "12 abc"),
        ("(?P<g1>.+)$", "a\nb\n"),
        (r"(?P<g1>é+)\b", "x éé"),
        ("(?m:^)b", "a\nb"),
        ("z", "abc"),
    ],
)
def test_it_finds_what_pythons_engine_finds(text: str, message: str) -> None:
    found, expected = Re2(text).search(message), re.search(text, message)

    assert Re2(text).has_match(message) is (expected is not None)
    assert (found and (found.group(), found.groups())) == (
        expected and (expected.group(), expected.groups())
    )


def test_it_goes_on_from_a_place() -> None:
    found = Re2("a.").search("axay", 1)

    assert found is not None
    assert found.group() == "ay"


def test_what_it_cannot_run_is_none() -> None:
    assert re2_or_none("(?=a)b") is None
