"""Straight-line functions of a config, beside the closures that an event is explained with."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from ptingest.pipeline.logstash.compile import Program, Result, compile_config
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.values import Timestamp, copied

FIELDS = ("a", "b", "c", "tags", "data_stream", "message")
VALUES: tuple[Any, ...] = (
    "x", "x-1", "", "warn 7 late", "a,b,c", 'k=v "q', 0, 7, 1.5, True, False, None, [], ["x", 1],
    {}, {"b": "x"}, {"b": {"c": "y"}}, {"type": "logs", "dataset": "d", "namespace": "n"},
    {"type": ["logs"], "dataset": "d", "namespace": "n"}, '{"a":1,"b":[2]}', "2025-01-02T03:04:05Z",
)  # fmt: skip
CONFIGS = (
    """filter {
      if [a] and [b] == "x" or "x" in [tags] {
        mutate { replace => { "c" => "%{a}" "[b][c]" => "%{[a][b]}-%{b}" "[a][b]" => "y" } }
      } else if [a] < 5 { mutate { add_field => { "[a][n]" => "1" } } }
      else { mutate { lowercase => ["a"] remove_field => ["b"] add_tag => ["t"] } }
    }""",
    r"""filter {
      grok { match => { "message" => ["^%{WORD:a} %{INT:[b][n]:int} %{WORD:[b][c][d]}",
                                      "%{INT:c}"] }
             overwrite => ["c"] }
      grok { match => { "a" => "%{WORD:w}" "message" => "%{WORD:w}" } break_on_match => false }
      grok { match => { "b" => ["(?<a>x)?(?<e>-)", "%{INT:i:int}"] } keep_empty_captures => true }
      grok { match => { "c" => "%{WORD:tags}" } target => "t" add_tag => ["done"] }
    }""",
    """filter {
      csv { source => "message" columns => ["a", "b"] skip_header => true }
      if [a] == "a" { drop {} } else if [b] > 3 { mutate { add_tag => ["late"] } }
      mutate { rename => { "a" => "[c][d]" } convert => { "b" => "integer" } }
    }""",
    """filter {
      if [a] == "x" { split { field => "b" } mutate { replace => { "c" => "s" } } }
      clone { clones => ["k"] }
      if [c] { truncate { length_bytes => 2 } }
      json { source => "message" }
      if [a] == 1 { mutate { replace => { "z" => "%{[b][0]}" } } }
    }""",
    """filter {
      if [a] == "1" { mutate { replace => { "n" => "1" } } }
      else if [a] == "x" { mutate { replace => { "n" => "2" } } }
      else if [a] == "" { mutate { replace => { "n" => "3" } } }
      else if [a] =~ /^x/ { mutate { replace => { "n" => "4" } } }
      else { mutate { replace => { "n" => "0" } } }
      date { match => ["message", "ISO8601"] target => "[b][at]" }
      mutate { update => { "tags" => "q" } replace => { "@timestamp" => "no" } }
    }""",
    # What would end a text of Python, were it not written as one.
    r"""filter {
      if [a'b][\\] != "x'); raise SystemExit #" and [a] in ['{"', "x'", "x", "'"] {
        mutate {
          replace => { "[k'][{}\\]" => "%{a}'{}" "{b}" => "%{[a'b]}\\ " } add_tag => ["t'{}"]
        }
      } else if [b] =~ /'"|[{]/ { mutate { add_field => { "[k'][\n]" => 'v"\\ ' } } }
      grok { match => { "message" => "(?<g>'?)%{WORD:[w'][{}]}" } }
    }""",
)
OUTPUT = """output {
  if [a] < 3 { stdout {} } else { file { path => "/tmp/%{a}" } }
  if [b] { elasticsearch { data_stream => true data_stream_dataset => "own" } }
  else if [c] == "x" { elasticsearch { index => "i-%{[b][c]}" document_id => "%{a}" } }
}"""


def program(config: str) -> Program:
    return compile_config(parse(f"{config} {OUTPUT}", {}, file="a.conf"))


def some_event(dice: random.Random) -> Event:
    root: dict[str, Any] = {"@timestamp": Timestamp(0), "@version": "1"}
    for name in dice.sample(FIELDS, dice.randint(1, len(FIELDS))):
        value = copied(dice.choice(VALUES))
        if name == "tags" and not isinstance(value, str):
            value = ["x", "t"]
        root[name] = Raw(msgspec.json.encode(value)) if dice.random() < 0.5 else value
    return Event(root, {}, 0)


def shown(results: list[Result]) -> list[object]:
    return [
        (one.event.fields, one.event.metadata, one.event.failures, list(one.targets))
        for one in results
    ]


@pytest.mark.parametrize("config", CONFIGS)
def test_an_event_becomes_what_it_is_explained_to_become(config: str) -> None:
    run, explained = program(config), program(config)
    dice = random.Random(7)

    for _ in range(2_000):
        event = some_event(dice)
        other = event.clone()
        assert shown(run.run(event)) == shown(explained.explain(other).results)

    assert [(one.events_in, one.events_out, one.failures, one.dropped) for one in run.plugins] == [
        (one.events_in, one.events_out, one.failures, one.dropped) for one in explained.plugins
    ]
    assert run.conditions == explained.conditions


def test_levels_beyond_those_that_python_takes_are_run_all_the_same() -> None:
    deep = 'if [a] == "x" { ' * 150 + "drop {}" + "}" * 150
    run = program(f"filter {{ {deep} }}")

    assert run.run(Event({"a": "x"}, {}, 0)) == []
    assert len(run.run(Event({"a": "y"}, {}, 0))) == 1


def test_an_error_in_a_filter_is_told_and_the_event_goes_on() -> None:
    run = program(
        'filter { mutate { replace => { "[a][b][c]" => "x" } } mutate { add_tag => "t" } }'
    )
    event = Event({"a": "text"}, {}, 0)

    run.run(event)

    assert event.root["tags"] == ["_mutate_error", "t"]
    assert [one.failures for one in run.plugins[:2]] == [1, 0]
