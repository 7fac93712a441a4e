"""The filter ``fingerprint``."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from uuid import UUID

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import run_filter


def made(options: str, **fields: Any) -> Any:
    return run_filter(f'fingerprint {{ target => "f" {options} }}', **fields).get("f")


@pytest.mark.parametrize("method", ["SHA1", "SHA256", "SHA384", "SHA512", "MD5"])
def test_digests_with_and_without_a_key(method: str) -> None:
    plain = made(f'method => "{method}"', message="abc")
    keyed = made(f'method => "{method}" key => "k"', message="abc")

    assert plain == hashlib.new(method, b"abc").hexdigest()
    assert keyed == hmac.new(b"k", b"abc", method).hexdigest()


@pytest.mark.parametrize(
    ("options", "fields", "found"),
    [
        ("base64encode => true method => MD5", {"message": "abc"}, "kAFQmDzST7DWlj99KOF/cg=="),
        ("method => MURMUR3", {"message": "Hi, you! [1]"}, 1_612_269_988),
        ("method => MURMUR3", {"message": 1.5}, 4_025_916_689),
        (
            "method => MURMUR3_128 base64encode => true",
            {"message": "a"},
            "FlVJQe85E3Mv4Ekz/gxSaw==",
        ),
        ("method => PUNCTUATION", {"message": "Hi, you! [1] €"}, ",![]€"),
        ('method => IPV4_NETWORK key => "16"', {"message": "10.1.2.3"}, "10.1.0.0"),
        ('method => IPV4_NETWORK key => "16"', {"message": "2001:db8::1"}, "2001::"),
        ('method => IPV4_NETWORK key => "40"', {"message": "10.1.2.3"}, "10.1.2.3"),
    ],
)
def test_other_methods(options: str, fields: dict[str, Any], found: Any) -> None:
    assert made(options, **fields) == found


@pytest.mark.parametrize(
    ("options", "fields", "texts"),
    [
        ("", {"message": 5}, "5"),
        ("", {"message": None}, ""),
        ("", {"message": {"b": 1, "a": "x"}}, '{"a"=>"x", "b"=>1}'),
        ("", {"message": ["a", {"c": 1, "b": 2}]}, ["a", '{"b"=>2, "c"=>1}']),
        ('source => ["message", "b"]', {"message": "x", "b": "y"}, "y"),
        (
            'source => ["message", "b"] concatenate_sources => true',
            {"message": "x"},
            "|b||message|x|",
        ),
        ('source => "[a][b]"', {"a": {"b": "x"}}, "x"),
    ],
)
def test_what_is_hashed(options: str, fields: dict[str, Any], texts: Any) -> None:
    expected = [
        hashlib.sha1(text.encode()).hexdigest()
        for text in (texts if isinstance(texts, list) else [texts])
    ]

    found = made(options, **fields)

    assert found == (expected if isinstance(texts, list) else expected[0])


def test_all_fields_are_concatenated_in_the_order_of_their_names() -> None:
    found = made("concatenate_all_fields => true", b=[1], a="x")

    text = "|@timestamp|2026-01-02T03:04:05.000Z|@version|1|a|x|b|[1]|"
    assert found == hashlib.sha1(text.encode()).hexdigest()


def test_a_uuid_is_random() -> None:
    assert UUID(made("method => UUID")) != UUID(made("method => UUID"))


@pytest.mark.parametrize(
    ("ecs", "place"), [("v8", {"event": {"hash": 0}}), ("disabled", {"fingerprint": 0})]
)
def test_the_default_target_depends_on_ecs(ecs: str, place: dict[str, Any]) -> None:
    found = run_filter(
        f'fingerprint {{ method => MURMUR3 ecs_compatibility => "{ecs}" }}', message=""
    )

    assert found == {"message": "", **place}


@pytest.mark.parametrize(
    ("options", "value"),
    [("method => PUNCTUATION", 5), ('method => IPV4_NETWORK key => "8"', "bad")],
)
def test_what_has_no_fingerprint_is_an_error(options: str, value: Any) -> None:
    found = run_filter(f"fingerprint {{ {options} }}", message=value)

    assert found == {"message": value, "tags": ["_filter_error"]}


def test_without_a_source_there_is_nothing_but_the_decoration() -> None:
    assert run_filter('fingerprint { add_tag => "t" }') == {"tags": ["t"]}


def test_a_network_needs_its_length() -> None:
    with pytest.raises(RefusedConfig, match="needs a key"):
        made("method => IPV4_NETWORK")
