"""Whatever an event holds, a filter raises nothing but what it means to raise."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.pipeline.decode import MAX_DEPTH
from ptingest.pipeline.logstash.encode import encode_value
from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.values import Timestamp
from tests.pipeline.logstash.running import NOW, program

FILTERS = [
    'bytes { source => "v" target => "t" }',
    'cidr { address => ["%{v}"] network => ["10.0.0.0/8", "%{[o][k]}"] }',
    'clone { clones => ["a"] }',
    'csv { source => "v" convert => { "column1" => "integer" "column2" => "date_time" } }',
    'date { match => ["v", "ISO8601", "UNIX", "UNIX_MS", "TAI64N", "EEE dd MMM yy HH:mm Z"] }',
    'date { match => ["v", "MMM d, yyyy G", "xxxx ww e", "D", "HH"] timezone => "%{[o][k]}" }',
    "de_dot { recursive => true nested => true }",
    "dissect { mapping => { 'v' => '%{a} %{+a/2}-%{?k}=%{&k}' } }",
    "dissect { convert_datatype => { 'v' => 'int' '[o][k]' => 'float' } }",
    'fingerprint { source => ["v", "o"] concatenate_sources => true method => "MURMUR3" }',
    'fingerprint { source => ["v"] method => "IPV4_NETWORK" key => "8" }',
    'fingerprint { concatenate_all_fields => true method => "MURMUR3_128" }',
    'json { source => "v" }',
    'json { source => "v" target => "[o][j]" }',
    'kv { source => "v" recursive => true trim_value => "<>" transform_key => "uppercase" }',
    'kv { source => "v" field_split_pattern => "[,;]+" value_split => ":" prefix => "%{v}" }',
    'prune { interpolate => true whitelist_names => ["^v", "%{[o][k]}"] }',
    'prune { blacklist_values => { "v" => "^a" "o" => "x" } }',
    'split { field => "v" terminator => "," }',
    'syslog_pri { syslog_pri_field_name => "v" }',
    'translate { source => "v" target => "t" exact => false dictionary => { "a" => "b" } }',
    'translate { source => "k" iterate_on => "v" target => "t" dictionary => { "a" => 1 } }',
    "truncate { length_bytes => 3 }",
    "urldecode { all_fields => true }",
    'uuid { target => "[v][u]" }',
]
ON_VALUES = [
    'fingerprint { source => ["v", "o"] method => "SHA256" }',
    'mutate { add_field => { "t" => "%{v} %{[o][k]}" } }',
    'mutate { convert => { "v" => "string" } }',
    'mutate { copy => { "v" => "w" } }',
    'mutate { gsub => ["v", "x", "y"] }',
    'mutate { join => { "v" => "," } }',
    'mutate { lowercase => ["v"] }',
    'mutate { merge => { "v" => "[o][k]" } }',
    'split { field => "v" }',
    'if [v] == [o][k] { mutate { add_tag => ["same"] } }',
    'if [v] in [o][k] or "x" in [v] { mutate { add_tag => ["in"] } }',
    'if [v] =~ "x" { drop {} }',
]
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["a=1 b=2", '{"a": [1.5]}', "[v]=x", "2026-01-02T03:04:05Z", "1,2", "%41%ff", "10.0.0.1", "34",
     "Fri 02 Jan 26 03:04 Z", "x y-k=z", '"a,b', "1e5 kb", "Jan 2, 2026 AD", '{"tags": 1}']
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda one: Decimal(one))
    | TEXTS | st.builds(Timestamp, st.integers(-(10**21), 10**21)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"v": VALUES},
    optional={"o": st.fixed_dictionaries({"k": TEXTS}), "tags": VALUES, "a.b": VALUES},
)
MEANT = ("FieldError", "RegexTimeout")
EXAMPLES = int(os.environ.get("ANY_VALUE_EXAMPLES", "40"))


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_raises_only_what_it_means(text: str) -> None:
    compiled = program(f"filter {{ {text} }}")

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(EVENTS)
    def check(fields: dict[str, Any]) -> None:
        results = compiled.run(new_event({"@timestamp": Timestamp(NOW), **fields}, now_ns=NOW))

        said = compiled.plugins[0].last_error
        assert not said or said.startswith(MEANT)
        assert all(isinstance(one.event.fields, dict) for one in results)

    check()


def deepest(*, of_lists: bool) -> Any:
    value: Any = "x"
    for _ in range(MAX_DEPTH):
        value = [value] if of_lists else {"a": value}
    return value


@pytest.mark.parametrize("of_lists", [True, False], ids=["lists", "objects"])
@pytest.mark.parametrize("text", [*FILTERS, *ON_VALUES])
def test_a_filter_works_on_as_many_levels_as_a_payload_may_have(text: str, of_lists: bool) -> None:
    compiled = program(f"filter {{ {text} }}")
    fields = {"v": deepest(of_lists=of_lists), "o": {"k": deepest(of_lists=of_lists)}}

    results = compiled.run(new_event({"@timestamp": Timestamp(NOW), **fields}, now_ns=NOW))

    assert results
    assert all(encode_value(one.event.fields) for one in results)
