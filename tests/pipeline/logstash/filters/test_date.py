"""The filter ``date``."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.values import Timestamp
from tests.pipeline.logstash.running import NOW, program, run_filter

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("options", "fields", "seconds"),
    [
        ('match => ["t", "UNIX"]', {"t": "5"}, 5),
        ('match => ["t", "UNIX", "ISO8601"]', {"t": "1970-01-01T00:00:06Z"}, 6),
        ('match => ["[a][t]", "UNIX"]', {"a": {"t": 7}}, 7),
        ('match => ["t", "HH:mm yyyy"] timezone => "+01:00"', {"t": "01:00 1970"}, 0),
        ('match => ["t", "d MMM yyyy"] locale => "de"', {"t": "1 Jan. 1970"}, 0),
        (
            'match => ["t", "HH yyyy"] timezone => "%{z}"',
            {"t": "01 1970", "z": "Europe/Berlin"},
            0,
        ),
    ],
)
def test_a_time_is_read(options: str, fields: dict[str, Any], seconds: int) -> None:
    found = run_filter(f'date {{ {options} target => "out" }}', **fields)

    assert found == {**fields, "out": Timestamp(seconds * SECOND)}


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ('match => ["t", "UNIX"]', "x"),
        ('match => ["t", "UNIX"]', ["5"]),
        ('match => ["t", "UNIX"]', {"a": 5}),
        ('match => ["t", "UNIX"] timezone => "%{z}"', "5"),
        ('match => ["t", "UNIX"] timezone => "%{[z}"', "5"),
    ],
)
def test_what_cannot_be_read_is_tagged(options: str, value: Any) -> None:
    assert run_filter(f"date {{ {options} }}", t=value) == {
        "t": value,
        "tags": ["_dateparsefailure"],
    }


@pytest.mark.parametrize("fields", [{}, {"t": None}])
def test_nothing_happens_without_a_value(fields: dict[str, Any]) -> None:
    assert run_filter('date { match => ["t", "UNIX"] add_tag => "x" }', **fields) == fields


def test_the_event_gets_its_time_and_the_decoration() -> None:
    text = 'filter { date { match => ["t", "UNIX"] add_tag => ["ok"] remove_field => ["t"] } }'

    (result,) = program(text).run(new_event({"t": "5"}, now_ns=NOW))

    assert result.event.timestamp == Timestamp(5 * SECOND)
    assert result.event.fields["tags"] == ["ok"]
    assert "t" not in result.event.fields


@pytest.mark.parametrize(
    ("options", "sentence", "is_unsupported"),
    [
        ("", "match needs the name of a field", False),
        ('match => ["t"]', "match needs the name of a field", False),
        ('match => { "t" => "UNIX" }', "match needs the name of a field", False),
        ('match => ["t", ""]', "empty", False),
        ('match => ["t", "yyyy Q"]', "unknown letter Q", False),
        ('match => ["t", "UNIX"] timezone => "Mars/Olympus"', "no time zone 'Mars/Olympus'", False),
        ('match => ["t", "UNIX"] locale => "xx"', "the locale 'xx' has no names", True),
    ],
)
def test_what_cannot_be_is_refused(options: str, sentence: str, is_unsupported: bool) -> None:
    with pytest.raises(RefusedConfig, match=sentence) as caught:
        run_filter(f"date {{ {options} }}")

    assert caught.value.is_unsupported is is_unsupported
