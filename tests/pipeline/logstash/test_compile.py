"""From a config to a program."""

from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import program, run


def test_sections_are_joined_in_order() -> None:
    config = """
filter { mutate { add_field => { "a" => "1" } } }
filter { mutate { add_field => { "b" => "%{a}" } } }
"""
    assert run(config) == [{"a": "1", "b": "1"}]


def test_the_first_arm_that_holds_is_run() -> None:
    config = """filter {
  if [a] == 1 { mutate { add_tag => ["one"] } }
  else if [a] { mutate { add_tag => ["some"] } }
  else { mutate { add_tag => ["none"] } }
}"""
    tags = [run(config, **fields)[0]["tags"] for fields in ({"a": 1}, {"a": 2}, {})]
    assert tags == [["one"], ["some"], ["none"]]


def test_a_dropped_event_gives_nothing() -> None:
    assert run("filter { drop { } mutate { add_tag => [x1] } }") == []


def test_conditions_decide_where_an_event_goes() -> None:
    config = """output {
  if [a] == 1 { elasticsearch { index => "one" } } else { elasticsearch { index => "other" } }
  elasticsearch { index => "all" }
}"""

    def names(value: int) -> list[str]:
        (result,) = program(config).run(new_event({"a": value}, now_ns=0))
        return [target.name for target in result.targets]

    assert names(1) == ["one", "all"]
    assert names(2) == ["other", "all"]


def test_plugins_are_counted_by_id() -> None:
    compiled = program(
        'filter { mutate { id => "first" } drop { } } output { elasticsearch { id => "es" } }'
    )
    for _ in range(3):
        compiled.run(new_event({}, now_ns=0))

    assert [(one.id, one.kind, one.events_in, one.events_out) for one in compiled.plugins] == [
        ("first", "filter", 3, 3),
        ("drop@a.conf:1:35", "filter", 3, 0),
        ("es", "output", 0, 0),
    ]


def test_an_id_stands_once() -> None:
    with pytest.raises(RefusedConfig, match=r"1:32: the id 'x' stands at a\.conf:1:10 already"):
        program('filter { mutate { id => "x" }  mutate { id => "x" } }')


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(RefusedConfig) as caught:
        program("""filter {
  mutate { nope => 1 rename => 5 }
  if [a] =~ /(/ { nothing { } }
}
output { opensearch { } }""")

    told = [(one.place.line, one.is_unsupported) for one in caught.value.all]
    assert told == [(2, False), (2, False), (3, False), (3, False), (5, True)]
