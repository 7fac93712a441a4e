from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.regex import compile_regex

CHARACTERS = "ab-]^[&é1_ \n\x08"


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("[a-b]", "ab"),
        ("[a-c&&[^b]]", "a"),
        ("[]a]", "a]"),
        ("[^a]", "b-]^[&é1_ \n\x08"),
        (r"[\w-]", "ab-1_"),
        (r"[a-\d]", "a-1"),
        ("[-a]", "a-"),
        ("[a-]", "a-"),
        ("[a[b]]", "ab"),
        ("[[:alpha:]]", "abé"),
        ("[[:^alpha:]_]", "-]^[&1_ \n\x08"),
        ("(?a)[[:alpha:]]", "ab"),
        (r"[\b]", "\x08"),
        ("[&&a]", ""),
        ("[^&&a]", CHARACTERS),
        ("(?i)[A]", "a"),
        ("[:alpha:]", "a"),
        (r"[\]\[]", "]["),
    ],
)
def test_the_characters_of_a_set(text: str, taken: str) -> None:
    compiled = compile_regex(text)

    assert {one for one in CHARACTERS if compiled.is_match(one)} == set(taken)
