"""Payloads as members of an event."""

from __future__ import annotations

import pytest

from ptingest.pipeline.decode import Unreadable, decode_payload
from ptingest.pipeline.logstash.members import Members, read_members


def test_a_common_payload_is_its_members() -> None:
    payload = '{"a":{"b":[1,2.5,null]},"é":"ż"}'.encode()

    assert read_members(payload) == Members({"a": {"b": [1, 2.5, None]}, "é": "ż"}, payload, ())


def test_numbers_keep_their_digits() -> None:
    found = read_members(b'{"n":123456789012345678901234567890,"f":1e400}')

    assert isinstance(found, Members)
    assert found.fields["n"] == 123456789012345678901234567890
    assert str(found.fields["f"]) == "1E+400"


@pytest.mark.parametrize(
    ("payload", "text", "mark"),
    [
        (b'{"a":"\xff"}', "\ufffd", "invalid_utf8"),
        (b'{"a":"\\ud800"}', "\ufffd", "lone_surrogate"),
        (b'\xef\xbb\xbf{"a":"x"}', "x", None),
    ],
)
def test_what_a_profile_mends_is_mended(payload: bytes, text: str, mark: str | None) -> None:
    found = read_members(payload)

    assert isinstance(found, Members)
    assert found.fields == {"a": text}
    assert found.marks == (() if mark is None else (mark,))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"7",
        b"no json",
        b"{" * 2000,
        b'{"a":' + b"[" * 5000,
        b'{"n":' + b"1" * 1200 + b"}",
    ],
    ids=len,
)
def test_what_is_no_event_has_the_reason_it_has_for_a_profile(payload: bytes) -> None:
    found = read_members(payload)

    assert isinstance(found, Unreadable)
    assert found == decode_payload(payload)
