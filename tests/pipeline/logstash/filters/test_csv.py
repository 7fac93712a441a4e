"""The filter ``csv``."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import NOW, program, run_filter

FAILED = {"tags": ["_csvparsefailure"]}


@pytest.mark.parametrize(
    ("options", "text", "fields"),
    [
        ("", "a,b", {"column1": "a", "column2": "b"}),
        ('columns => ["x"]', "a,b", {"x": "a", "column2": "b"}),
        ('columns => ["x"] autogenerate_column_names => false', "a,b", {"x": "a"}),
        ('columns => ["x", "y"] skip_empty_columns => true', ',"",c', {"column3": "c"}),
        ('columns => ["x", "y"]', ',""', {"x": None, "y": ""}),
        ('columns => ["[n][x]", "f.g"]', "1,2", {"n": {"x": "1"}, "f.g": "2"}),
        ('separator => ";" quote_char => "\'"', "'a;b';c", {"column1": "a;b", "column2": "c"}),
        ('target => "t"', "a", {"t": {"column1": "a"}}),
        ('target => "[t][u]" columns => ["[x]"]', "a", {"t": {"u": {"x": "a"}}}),
        (
            'columns => ["x", "y"] convert => { "x" => "integer" "y" => "float" }',
            "5,",
            {"x": 5, "y": None},
        ),
        ("skip_empty_rows => true", "", {"tags": ["_csvskippedemptyfield"]}),
        ('add_tag => "ok"', "\n", {"tags": ["ok"]}),
        ("", "", FAILED),
        ("", 'a"b', FAILED),
        ("", 5, FAILED),
        ("", ["a,b"], FAILED),
        ("", None, {}),
        ('columns => ["tags", "@timestamp"]', "a,b", {"tags": ["a", "_csvparsefailure"]}),
    ],
)
def test_cells_become_fields(options: str, text: Any, fields: dict[str, Any]) -> None:
    assert run_filter(f'csv {{ source => "m" {options} }}', m=text) == {"m": text, **fields}


def results(options: str, *texts: str) -> list[dict[str, Any] | None]:
    """Run a filter over events; None is a dropped one."""
    compiled = program(f'filter {{ csv {{ source => "m" remove_field => "m" {options} }} }}')
    found = []
    for text in texts:
        event = new_event({"m": text}, now_ns=NOW)
        compiled.run(event)
        kept = {key: one for key, one in event.fields.items() if key[0] != "@"}
        found.append(None if event.is_cancelled else kept)
    return found


def test_the_first_line_names_the_columns() -> None:
    found = results("autodetect_column_names => true", "a,,c", "1,2,3,4", "a,,c")

    assert found == [
        None,
        {"a": "1", "column2": "2", "c": "3", "column4": "4"},
        {"a": "a", "column2": None, "c": "c"},
    ]


def test_a_header_is_skipped_wherever_it_stands() -> None:
    assert results('columns => ["a", "b"] skip_header => true', "1,2", "a,b") == [
        {"a": "1", "b": "2"},
        None,
    ]


def test_an_unknown_conversion_is_refused() -> None:
    with pytest.raises(RefusedConfig, match="convert knows integer, float, date"):
        run_filter('csv { convert => { "a" => "int" } }')
