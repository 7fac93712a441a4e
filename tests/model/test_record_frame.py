"""Payloads with the place of the record that they came in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.model.origin import RecordPlace
from ptingest.model.record_frame import RecordHead, framed, unframed

PLACE = RecordPlace("logs", 3, 7, 1_795_000_000_007)


def test_the_value_stays_as_it_came_behind_its_place() -> None:
    found = framed(b'{"message":"a\tb"}', PLACE)

    assert found == (
        b'{"@kafka":{"topic":"logs","partition":3,"offset":7,"timestamp":1795000000007}}'
        b'\t{"message":"a\tb"}'
    )


def test_key_and_headers_are_texts_and_a_header_that_is_none_is_left_out() -> None:
    headers = [("a", b"1"), ("a", b"2"), ("b", b"\xff"), ("c", None), ("d\t", "ä".encode())]
    place = PLACE._replace(key=b"k\xff", headers=headers)

    found = unframed(framed(b"x", place))

    assert found is not None
    assert found.value == b"x"
    assert found.head == RecordHead(
        "logs", 3, 7, 1_795_000_000_007, "k\ufffd", {"a": "2", "d\t": "ä"}
    )


def test_a_tombstone_has_no_value() -> None:
    found = unframed(framed(b"null", PLACE._replace(is_tombstone=True)))

    assert found is not None
    assert found.value == b""


@given(st.binary(max_size=50), st.text(max_size=20), st.binary(max_size=20) | st.none())
def test_whatever_is_framed_comes_out_again(value: bytes, topic: str, key: bytes | None) -> None:
    place = PLACE._replace(topic=topic.encode("utf-8", "replace").decode(), key=key)

    found = unframed(framed(value, place))

    assert found is not None
    assert (found.value, found.head.topic) == (value, place.topic)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"plain",
        b'{"@kafka":{"topic":"a","partition":1,"offset":1,"timestamp":1}}',
        b'{"@kafka":{"topic":"a"}}\tx',
        b'{"@kafka":{"topic":"\xff","partition":1,"offset":1,"timestamp":1}}\tx',
        b'{"@kafka":{' + b"[" * 5000 + b"\tx",
    ],
)
def test_what_is_no_frame_is_none(payload: bytes) -> None:
    assert unframed(payload) is None
