"""Substitutions of ``mutate``."""

from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import program, run_filter


@pytest.mark.parametrize(
    ("pattern", "replacement", "text", "result"),
    [
        ("b", "x", "abcb", "axcx"),
        (r"[\\/]", "_", r"a\b/c", "a_b_c"),
        ("(a)(b)?", r"<\1\2\0>", "abac", "<abab><aa>c"),
        ("b", r"[\&\\]", "abc", r"a[b\]c"),
        ("b", r"\'", "abc", "acc"),
        ("^", "> ", "a\nb", "> a\n> b"),
        ("b", "%{k}", "abc", "aKc"),
        ("[%{k}b]", "_", "abKc", "a__c"),
    ],
)
def test_replacements(pattern: str, replacement: str, text: str, result: str) -> None:
    found = run_filter(f"mutate {{ gsub => ['a', '{pattern}', \"{replacement}\"] }}", a=text, k="K")
    assert found["a"] == result


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(RefusedConfig, match="mutate: gsub: "):
        program('filter { mutate { gsub => ["a", "(", "b"] } }')
