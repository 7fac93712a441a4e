"""The filter ``urldecode``."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import run_filter


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ("a%20b+c", "a b+c"),
        ("%E6%97%A5日", "日日"),
        ("%zz % 100% %2", "%zz % 100% %2"),
        ('%C3"\n', '\\xC3\\"\\n'),
        ("%ff%41", "\\xFFA"),
        (["a%20b", 5, {"k%20": "%41"}], ["a b", 5, {"k%20": "A"}]),
        (5, 5),
        (None, None),
    ],
)
def test_escapes_become_characters(value: Any, decoded: Any) -> None:
    assert run_filter("urldecode { }", message=value) == {"message": decoded}


def test_a_field_that_is_not_there_becomes_null() -> None:
    assert run_filter('urldecode { field => "q" add_tag => "u" }') == {"q": None, "tags": ["u"]}


def test_all_fields_are_decoded() -> None:
    found = run_filter("urldecode { all_fields => true }", a="%41", b={"c": "%42"})

    assert found == {"a": "A", "b": {"c": "B"}}


def test_another_character_set() -> None:
    assert run_filter('urldecode { charset => "ISO-8859-1" }', message="%E9é") == {"message": "éÃ©"}


@pytest.mark.parametrize("name", ["nope", "hex", "rot13"])
def test_an_unknown_character_set_is_refused(name: str) -> None:
    with pytest.raises(RefusedConfig, match=f"no character set '{name}'"):
        run_filter(f'urldecode {{ charset => "{name}" }}')


def test_a_field_without_a_parent_is_tagged() -> None:
    found = run_filter('urldecode { field => "[a][b]" add_tag => "u" }', a="x")

    assert found == {"a": "x", "tags": ["_urldecodefailure", "u"]}
