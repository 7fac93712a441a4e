"""The filter ``translate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import program, run_filter

CODES = 'dictionary => { "200" => "OK" "404" => "Not Found" "foo" => "bar" "true" => "yes" }'
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("options", "value", "found"),
    [
        ("", "200", "OK"),
        ("", 200, "OK"),
        ("", True, "yes"),
        ("", ["404", "200"], "Not Found"),
        ("", "x", None),
        ("", [], None),
        ('fallback => "none: %{c}"', "x", "none: x"),
        ('fallback => "none"', "200", "OK"),
        ("exact => false", "a foo 200", "a bar OK"),
        ("exact => false", 404.0, "Not Found.0"),
        ("exact => false", "x", None),
        ("regex => true", "my foo", "bar"),
        ("regex => true exact => false", "my foo", "my bar"),
        ("regex => true", "x", None),
        ("exact => false", {"foo": 1, "200": 2}, '["bar", 1]'),
        ('fallback => "none"', {}, "none"),
    ],
)
def test_a_value_is_looked_up(options: str, value: Any, found: str | None) -> None:
    result = run_filter(f'translate {{ source => "c" target => "d" {CODES} {options} }}', c=value)

    assert result == {"c": value, **({} if found is None else {"d": found})}


@pytest.mark.parametrize(
    ("options", "fields", "result"),
    [
        ('source => "c"', {"c": "200"}, {"c": "OK"}),
        ('field => "c"', {"c": "200"}, {"c": "OK"}),
        ('field => "c" destination => "d"', {"c": "200"}, {"c": "200", "d": "OK"}),
        ('source => "c" ecs_compatibility => "disabled"', {"c": "200"},
         {"c": "200", "translation": "OK"}),
        ('source => "c" target => "d"', {"c": "200", "d": 1}, {"c": "200", "d": 1}),
        ('source => "c" target => "d" override => true', {"c": "200", "d": 1},
         {"c": "200", "d": "OK"}),
        ('source => "c" fallback => "x"', {}, {}),
        ('source => "c" add_tag => "t"', {"c": "200"}, {"c": "OK", "tags": ["t"]}),
        ('source => "c" add_tag => "t"', {"c": "x"}, {"c": "x"}),
        ('source => "l" iterate_on => "l" target => "d"', {"l": ["200", "x"]},
         {"l": ["200", "x"], "d": ["OK", None]}),
        ('source => "l" iterate_on => "l"', {"l": "200"}, {"l": ["OK"]}),
        ('source => "k" iterate_on => "l" target => "d"', {"l": [{"k": "200"}, {"k": "x"}, {}]},
         {"l": [{"k": "200", "d": "OK"}, {"k": "x"}, {}]}),
        ('source => "k" iterate_on => "l"', {}, {}),
    ],
)  # fmt: skip
def test_options(options: str, fields: dict[str, Any], result: dict[str, Any]) -> None:
    assert run_filter(f"translate {{ {options} {CODES} }}", **fields) == result


def test_events_do_not_share_what_they_found(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text('{"a": {"b": [1]}}')
    run = program(f'filter {{ translate {{ source => "c" dictionary_path => "{path}" }} }}')

    first, second = (new_event({"c": "a"}, now_ns=0) for _ in range(2))
    run.run(first)
    first.fields["c"]["b"].append(2)
    run.run(second)

    assert second.fields["c"] == {"b": [1]}


@pytest.mark.parametrize(("behaviour", "old"), [("merge", "1"), ("replace", "a")])
def test_a_file_is_read_again_when_it_changed(tmp_path: Path, behaviour: str, old: str) -> None:
    path = tmp_path / "d.yml"
    path.write_text('a: "1"')
    run = program(
        f'filter {{ translate {{ source => "c" dictionary_path => "{path}" refresh_interval => 5 '
        f'regex => true refresh_behaviour => "{behaviour}" }} }}'
    )

    def found(text: str, seconds: int) -> Any:
        event = new_event({"c": text}, now_ns=seconds * SECOND)
        run.run(event)
        return event.fields["c"]

    before = found("a", 0), found("b", 4)
    path.write_text('b: "2"')
    os.utime(path, (1, 1))
    after = found("a", 5), found("b", 5)
    path.write_text('"(": "3"')
    os.utime(path, (2, 2))

    assert (before, after) == (("1", "b"), (old, "2"))
    assert found("b", 11) == "2"
    assert "its last content stays in use: regular expression" in run.plugins[0].last_error


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (CODES, "it needs a source"),
        (f'source => "c" target => "c" override => false {CODES}', "in place"),
        (f'source => "c" field => "d" {CODES}', "source and field are one option"),
        (f'source => "c" dictionary_path => "/x.yml" {CODES}', "exclude each other"),
        ('source => "c" dictionary_path => "/nowhere/x.yml"', "x.yml cannot be read"),
        ('source => "c" regex => true dictionary => { "(" => "x" }', "regular expression"),
    ],
)
def test_what_cannot_be_is_refused(options: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig, match=sentence):
        run_filter(f"translate {{ {options} }}")
