"""The filter ``truncate``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.logstash.running import run_filter


@pytest.mark.parametrize(
    ("length", "value", "short"),
    [
        (3, "abcdef", "abc"),
        (6, "abcdef", "abcdef"),
        (5, "cafééé", "café"),
        (4, "cafééé", "caf"),
        (5, "a😀b", "a😀"),
        (4, "a😀b", "a"),
        (0, "abc", ""),
        (-1, "", None),
        (2, ["abc", 12345, ["abc"]], ["ab", 12345, ["abc"]]),
        (2, {"k": "abc", "l": [{"k": "abc"}]}, {"k": "ab", "l": [{"k": "abc"}]}),
        (2, 12345, 12345),
    ],
)
def test_texts_are_cut_between_characters(length: int, value: Any, short: Any) -> None:
    found = run_filter(f'truncate {{ length_bytes => {length} fields => ["v"] }}', v=value)

    assert found == {"v": short}


def test_every_text_is_cut_unless_fields_are_named() -> None:
    found = run_filter("truncate { length_bytes => 2 }", a="abc", b={"c": "abc"}, tags=["abc"])

    assert found == {"a": "ab", "b": {"c": "ab"}, "tags": ["ab"]}


@pytest.mark.parametrize(("text", "tags"), [("abc", ["cut"]), ("ab", None)])
def test_only_a_cut_decorates(text: str, tags: list[str] | None) -> None:
    for fields in ("", 'fields => ["v", "w"]'):
        found = run_filter(f'truncate {{ length_bytes => 2 {fields} add_tag => "cut" }}', v=text)

        assert found.get("tags") == tags
