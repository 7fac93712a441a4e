from __future__ import annotations

import json
import re
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.decode import (
    MAX_DEPTH,
    PART_BYTES,
    TOO_DEEP,
    TOO_LONG,
    Decoded,
    Unreadable,
    beyond_limits,
    decode_event,
    decode_payload,
    duplicate_keys,
    nests_too_deeply,
    without_lone_surrogates,
)

BAD = {
    "nothing": (b"", "empty"),
    "only space": (b" \n", "empty"),
    "a BOM and nothing": (b"\xef\xbb\xbf", "empty"),
    "broken JSON": (b'{"a":', "not_json"),
    "text after the object": (b"{} x", "not_json"),
    "a raw control character": (b'{"a":"x\ny"}', "not_json"),
    "a raw control character deep inside": (b'{"a":{"b":["x\ty"]}}', "not_json"),
    "NaN": (b'{"a":NaN}', "not_json"),
    "Infinity deep inside": (b'{"a":[{"b":-Infinity}]}', "not_json"),
    "UTF-16 with a mark": ('{"a":1}'.encode("utf-16"), "not_json"),
    "UTF-16 without a mark": ('{"a":1}'.encode("utf-16-le"), "not_json"),
    "UTF-32": ('{"a":1}'.encode("utf-32"), "not_json"),
    "an array": (b"[]", "not_an_object"),
    "a string": (b'"s"', "not_an_object"),
    "a number": (b"1", "not_an_object"),
    "true": (b"true", "not_an_object"),
    "null": (b"null", "not_an_object"),
    "an array deeper than any reader goes": (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
    "a value deeper than any reader goes": (
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "too_deep",
    ),
    "a number of 5,000 digits": (b'{"a":' + b"1" * 5000 + b"}", "number_too_long"),
    "a long number deep inside": (
        b'{"message":"m","a":[[-' + b"1" * 5000 + b"]]}",
        "number_too_long",
    ),
    "a message that is a long number": (b'{"message":' + b"1" * 5000 + b"}", "number_too_long"),
}


@pytest.mark.parametrize(("payload", "reason"), BAD.values(), ids=BAD.keys())
def test_what_is_no_event_is_told_apart(payload: bytes, reason: str) -> None:
    decoded = decode_payload(payload)

    assert isinstance(decoded, Unreadable)
    assert decoded.reason == reason
    assert decoded.detail


GOOD: dict[str, tuple[bytes, dict[str, Any], tuple[str, ...]]] = {
    "an empty object": (b"{}", {}, ()),
    "a BOM": (b'\xef\xbb\xbf{"a":1}', {"a": 1}, ()),
    "escapes in keys": (b'{"\\u0067roup":"pt"}', {"group": "pt"}, ()),
    "space and newlines between tokens": (b' { "a" :\n[1 ,\n2] } ', {"a": [1, 2]}, ()),
    "the last of two keys": (b'{"a":1,"\\u0061":2}', {"a": 2}, ()),
    "NUL": (b'{"a":"\\u0000"}', {"a": "\0"}, ()),
    "invalid UTF-8": (b'{"a":"x\xffy"}', {"a": "x\ufffdy"}, ("invalid_utf8",)),
    "invalid UTF-8 deep inside": (b'{"a":[{"\xc3":0}]}', {"a": [{"\ufffd": 0}]}, ("invalid_utf8",)),
    "a lone surrogate": (b'{"a":"\\ud800x"}', {"a": "\ufffdx"}, ("lone_surrogate",)),
    "a lone low one in a key": (b'{"\\udc00":1}', {"\ufffd": 1}, ("lone_surrogate",)),
    "a wrong pair deep inside": (
        b'{"a":{"b":"\\udc00\\ud800"}}',
        {"a": {"b": "\ufffd\ufffd"}},
        ("lone_surrogate",),
    ),
    "a pair after a lone one": (
        b'{"a":"\\ud83d\\ud83d\\ude00"}',
        {"a": "\ufffd\U0001f600"},
        ("lone_surrogate",),
    ),
    "a backslash before ud800": (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}, ()),
    "brackets in strings": (
        b'{"a":"' + b"[{" * 200 + b'"}',
        {"a": "[{" * 200},
        (),
    ),
    "many values side by side": (b'{"a":[' + b"[]," * 200 + b"[]]}", {"a": [[]] * 201}, ()),
    "digits in a long message": (
        b'{"message":"' + b"1" * 5000 + b'"}',
        {"message": "1" * 5000},
        (),
    ),
    "digits in another long string": (
        b'{"a":"\\"' + b"1" * 5000 + b'"}',
        {"a": '"' + "1" * 5000},
        (),
    ),
}


@pytest.mark.parametrize(("payload", "event", "marks"), GOOD.values(), ids=GOOD.keys())
def test_what_can_be_read_is(payload: bytes, event: dict[str, Any], marks: tuple[str, ...]) -> None:
    decoded = decode_payload(payload)

    assert isinstance(decoded, Decoded)
    assert {key: json.loads(bytes(raw)) for key, raw in decoded.event.items()} == event
    assert decoded.marks == marks


@pytest.mark.parametrize("number", [b"1.0", b"1e400", b"18446744073709551616", b"-0", b"1E+2"])
def test_numbers_keep_their_text(number: bytes) -> None:
    decoded = decode_payload(b'{"a":' + number + b"}")

    assert isinstance(decoded, Decoded)
    assert bytes(decoded.event["a"]) == number


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b'{"a":1,"b":2}', False, id="two keys"),
        pytest.param(b'{"a":1,"a":2}', True, id="one key twice"),
        pytest.param(b'{"a":1,"\\u0061":2}', True, id="one key twice, once escaped"),
        pytest.param(b'{"a":{"b":1,"b":2}}', False, id="below the top they pass as they came"),
        pytest.param(b'{"a":":\\":{[","b":[{"c":1}]}', False, id="brackets and colons in strings"),
    ],
)
def test_duplicate_keys_are_seen_at_the_top(payload: bytes, expected: bool) -> None:
    decoded = decode_payload(payload)

    assert isinstance(decoded, Decoded)
    assert duplicate_keys(payload, decoded.event) is expected


@pytest.mark.parametrize("before", ["", '"m":"' + "7" * 2000 + '",', '"k\\\\\\"":[1,-2.5e3],'])
@pytest.mark.parametrize(
    ("number", "is_long"),
    [
        ("1" * 1000, False),
        ("1" * 1001, True),
        ("-" + "1" * 1000, False),
        ("-" + "1" * 500 + "." + "1" * 498 + "e-12", False),
        ("-" + "1" * 500 + "." + "1" * 499 + "e-12", True),
        ("1" * 400 + "," + "1" * 700, False),
    ],
)
def test_a_number_may_have_as_many_digits_as_elasticsearch_reads(
    before: str, number: str, is_long: bool
) -> None:
    payload = f'{{{before}"a":[{number}]}}'.encode()

    decoded = decode_payload(payload)

    assert isinstance(decoded, Unreadable) is is_long
    assert (beyond_limits(payload, None) is TOO_LONG) is is_long


# --- depth --------------------------------------------------------------------------------


def levels(value: object) -> int:
    """The levels of objects and lists in a value."""
    below = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(levels, below), default=0)  # type: ignore[call-overload]


NAMES = st.text(st.sampled_from('[{]}"\\ a\u0105'), max_size=6)
SHALLOW = st.recursive(
    NAMES | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
WRAPPERS = st.lists(st.tuples(st.booleans(), NAMES, SHALLOW, SHALLOW), min_size=1, max_size=20)


@given(inner=SHALLOW, wrappers=WRAPPERS, more=st.integers(-2, 2), is_ascii=st.booleans())
def test_depth_is_counted_exactly(
    inner: Any, wrappers: list[tuple[bool, str, Any, Any]], more: int, is_ascii: bool
) -> None:
    value, depth = inner, levels(inner)
    for is_object, name, before, after in cycle(wrappers):
        if depth == MAX_DEPTH + more - 1:
            break
        # What stands beside the deepest value is deeper nowhere.
        beside = [one if levels(one) <= depth else None for one in (before, after)]
        value = {"<": beside[0], name: value} if is_object else [beside[0], value, beside[1]]
        depth += 1
    payload = json.dumps({"message": "[" * 600, "a": value}, ensure_ascii=is_ascii).encode()

    decoded = decode_payload(payload)

    assert (decoded == TOO_DEEP) is (more > 0)
    assert isinstance(decoded, Decoded) is (more <= 0)


@pytest.mark.parametrize("opening", [b"[", b'{"":', b'{"a" : ', b'[0,"]}\\"",'])
@pytest.mark.parametrize("before", [b"", b'"message":"x",', b'"message":[],', b'"a":"\\\\",'])
def test_a_payload_may_have_as_many_levels_as_the_limit(opening: bytes, before: bytes) -> None:
    closing = b"]" if opening.startswith(b"[") else b"}"

    def payload(depth: int) -> bytes:
        inner = depth - 1
        return b'{%b"x":%b0%b}' % (before, opening * inner, closing * inner)

    assert isinstance(decode_payload(payload(MAX_DEPTH)), Decoded)
    assert decode_payload(payload(MAX_DEPTH + 1)) is TOO_DEEP


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("text", [b'"]]"', b'"\\"]"', b'"\\\\"'])
def test_depth_is_counted_over_long_payloads(text: bytes, shift: int) -> None:
    filling = b" " * shift + (text + b",") * (2 * PART_BYTES // len(text)) + b"0"
    deep = b"[" * (MAX_DEPTH - 1) + filling + b"]" * (MAX_DEPTH - 1)

    assert not nests_too_deeply(b'{"a":%b}' % deep)
    assert nests_too_deeply(b'{"a":[%b]}' % deep)


@pytest.mark.parametrize("payload", [b"[" * 501, b'{"a":' * 501, b"[" * 501 + b"?"])
def test_what_is_both_broken_and_too_deep_is_too_deep(payload: bytes) -> None:
    assert decode_payload(payload) is TOO_DEEP
    assert isinstance(decode_payload(payload.replace(b"[", b"", 1)), Unreadable)


_LONE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


@given(
    pieces=st.lists(
        st.sampled_from(
            [b"\\ud800", b"\\uDC00", b"\\uDBff", b"\\", b"u", b"d80", b"\\u0041", b"x"]
        ),
        max_size=8,
    )
)
def test_lone_surrogates_are_those_found_escape_by_escape(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    one_by_one = _LONE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)

    assert without_lone_surrogates(text) == one_by_one


@pytest.mark.parametrize(
    ("payload", "is_double"),
    [
        (b'{"a":1,"a":2}', True),
        (b'{"a" : 1 ,\n"b":2}', False),
        (b'{"a":1,"\\u0061":2}', True),
        (b'{"\\u0061":1,"b":{"c":1,"c":2}}', False),
        (b'{"a":"\\"","b":{"a":1}, "c":[{"a":":"}]}', False),
        (b'{"a":"\\"","b":{"a":1}, "b":[{"a":":"}]}', True),
    ],
)
def test_a_member_that_came_twice_is_seen(payload: bytes, is_double: bool) -> None:
    assert duplicate_keys(payload, decode_event(payload)) is is_double
