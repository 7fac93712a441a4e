"""Bodies of events of which filters read a part."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from ptingest.pipeline.decode import Decoded, decode_payload
from ptingest.pipeline.fast.cache import CACHED_VALUES
from ptingest.pipeline.logstash.encode import EventEncoder, encode_value
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.values import Timestamp

ENCODER = EventEncoder()


def unread(text: str) -> Event:
    sent = decode_payload(text.encode())
    assert isinstance(sent, Decoded)
    return Event(dict(sent.event), {}, now_ns=0)


def body_of(text: str) -> bytes:
    return ENCODER.encode(unread(text))


@pytest.mark.parametrize(
    ("sent", "printed"),
    [
        ('{"a":{"c":1,"b":["x"]}}', '{"a":{"c":1,"b":["x"]}}'),
        ('{ "a" : { "b" : [ 1 , 2 ] } }', '{"a":{"b":[1,2]}}'),
        ('{"a":{"b":1,"c":2,"b":3}}', '{"a":{"b":3,"c":2}}'),
        (r'{"a":{"b":"\u0041\/\n\u00e9"}}', r'{"a":{"b":"A/\né"}}'),
        ('{"a":[1.50,1e2,-0.0,1E400]}', '{"a":[1.5,100.0,-0.0,1E+400]}'),
        ('{"a":{"offset":17,"b":1.50,"offset":8}}', '{"a":{"offset":8,"b":1.5}}'),
        ('{"a":{"b":{"offset":17},"b":3}}', '{"a":{"b":3}}'),
        (r'{"a":{"offset":12,"b":"\"offset\":3,"}}', r'{"a":{"offset":12,"b":"\"offset\":3,"}}'),
        (r'{"a":{"\"offset":12}}', r'{"a":{"\"offset":12}}'),
        (
            '{"a":{"offset":987654321987654321,"b":987654321987654321}}',
            '{"a":{"offset":987654321987654321,"b":987654321987654321}}',
        ),
        ('{"a":{"offset":1987654321987654321}}', '{"a":{"offset":1987654321987654321}}'),
        ('{"a":{"offset":17.50}}', '{"a":{"offset":17.5}}'),
        ('{"a":123456789012345678901234567890}', '{"a":123456789012345678901234567890}'),
    ],
)
def test_what_no_filter_read_is_printed_as_if_it_had_been_decoded(sent: str, printed: str) -> None:
    assert body_of(sent) == body_of(sent) == printed.encode()


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), TREES, max_size=4),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_reading_a_field_does_not_change_the_body(
    members: dict[str, object], is_ascii: bool, indent: int | None
) -> None:
    text = json.dumps(members, ensure_ascii=is_ascii, indent=indent)
    read = unread(text)

    assert encode_value(read.fields) == body_of(text)


def test_times_and_halves_of_surrogate_pairs_are_printed() -> None:
    event = Event({"t": Timestamp(1_500_000_000), "x": "\ud800", "r": Raw(b"1")}, {}, now_ns=0)

    assert ENCODER.encode(event) == b'{"t":"1970-01-01T00:00:01.500Z","x":"?","r":1}'


def test_other_types_are_an_error() -> None:
    with pytest.raises(NotImplementedError):
        encode_value(object())


def test_few_members_are_kept() -> None:
    encoder = EventEncoder()
    for number in range(CACHED_VALUES + 10):
        encoder.encode(unread(msgspec.json.encode({"n": number}).decode()))

    assert len(encoder._printed) <= CACHED_VALUES
