"""The filter ``de_dot``."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import run_filter


@pytest.mark.parametrize(
    ("options", "fields", "result"),
    [
        ("", {"a.b": 1, "c": 2}, {"a_b": 1, "c": 2}),
        ("", {"a.b": {"x.y": 2}}, {"a_b": {"x.y": 2}}),
        ('separator => "-"', {"a.b.c": 1}, {"a-b-c": 1}),
        ("nested => true", {"a.b.c": 1}, {"a": {"b": {"c": 1}}}),
        ("nested => true", {"a.b": 1, "a": "x"}, {"a.b": 1, "a": "x", "tags": ["_de_dot_error"]}),
        ("recursive => true", {"a.b": {"x.y": {"z.z": 2}}}, {"a_b": {"x_y": {"z_z": 2}}}),
        ("recursive => true nested => true", {"o": {"x.y": 2}}, {"o": {"x": {"y": 2}}}),
        ('fields => ["[o][p.q]"]', {"o": {"p.q": 1}, "a.b": 1}, {"o": {"p_q": 1}, "a.b": 1}),
        ('fields => ["[o][p.q]"]', {}, {}),
    ],
)
def test_dots_in_names_are_replaced(
    options: str, fields: dict[str, Any], result: dict[str, Any]
) -> None:
    assert run_filter(f"de_dot {{ {options} }}", **fields) == result


def test_a_separator_with_a_dot_is_refused() -> None:
    with pytest.raises(RefusedConfig, match="must have no dot"):
        run_filter('de_dot { separator => "." }')
