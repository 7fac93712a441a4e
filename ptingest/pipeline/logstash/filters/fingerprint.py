"""The filter ``fingerprint``: a hash of fields, for ids that are the same for the same event."""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

from ptingest.pipeline.logstash.conversions import ruby_integer
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.murmur3 import murmur3_32, murmur3_128
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.sprintf import compile_reference, known_reference
from ptingest.pipeline.logstash.values import FieldError, Value, ruby_text

OPTIONS = (
    Option("source", "array", ["message"]),
    Option("target"),
    Option("method", default="SHA1", choices=(
        "SHA1", "SHA256", "SHA384", "SHA512", "MD5", "MURMUR3", "MURMUR3_128", "IPV4_NETWORK",
        "UUID", "PUNCTUATION",
    )),
    Option("key", "password"),
    Option("base64encode", "boolean", False),
    Option("concatenate_sources", "boolean", False),
    Option("concatenate_all_fields", "boolean", False),
)  # fmt: skip
Hash = Callable[[Value], Value]
_SEED_OF_128 = 2
_WORD = 64
"""Bits of an integer that MURMUR3 takes as a number, not as text."""


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; of several sources that are not concatenated the last one counts."""
    options, matched = setup.options, setup.matched
    target = compile_reference(
        options["target"] or ("[event][hash]" if setup.has_ecs else "fingerprint")
    )
    made = _made(options)

    def fingerprint(event: Event) -> None:
        for value in made(event):
            event.set(target(event), value)
        matched(event)

    return fingerprint


def _made(options: Options) -> Callable[[Event], list[Value]]:
    """Return what gives the fingerprints of an event, one after the other."""
    method = options["method"]
    if method == "UUID":
        return lambda _event: [str(uuid4())]
    names = [str(name) for name in options["source"]]
    if method == "PUNCTUATION":
        return _each(sorted(names), _punctuation)
    hashed = _hash(options)
    if options["concatenate_all_fields"]:
        return lambda event: [hashed(_joined(_sorted(event.fields)))]
    if options["concatenate_sources"]:
        references = [(name, known_reference(name)) for name in sorted(names)]
        return lambda event: [
            hashed(_joined({name: _sorted(_found(event, one)) for name, one in references}))
        ]

    def of_value(value: Value) -> Value:
        if isinstance(value, list):
            return [hashed(_sorted(one)) for one in value]
        return hashed(_sorted(value))

    return _each(names, of_value)


def _each(names: list[str], of_value: Hash) -> Callable[[Event], list[Value]]:
    references = [known_reference(name) for name in names]

    def made(event: Event) -> list[Value]:
        values = (event.get(one(event)) for one in references)
        return [of_value(value) for value in values if value is not MISSING]

    return made


def _found(event: Event, reference: Any) -> Value:
    value = event.get(reference(event))
    return None if value is MISSING else value


def _joined(values: dict[str, Value]) -> str:
    return "".join(f"|{name}|{ruby_text(value)}" for name, value in values.items()) + "|"


def _sorted(value: Value) -> Value:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-8", "surrogatepass"))
        return dict(zip(keys, map(_sorted, map(value.get, keys)), strict=True))
    return list(map(_sorted, value)) if isinstance(value, list) else value


def _punctuation(value: Value) -> str:
    if not isinstance(value, str):
        raise FieldError(f"fingerprint: {ruby_text(value)} is no text, so it has no punctuation")
    return "".join(one for one in value if unicodedata.category(one)[0] in "PS")


def _hash(options: Options) -> Hash:
    method, key, is_base64 = options["method"], options["key"], options["base64encode"]
    if method == "MURMUR3":
        return lambda value: murmur3_32(_number_or_text(value))
    if method == "MURMUR3_128":
        return lambda value: _shown(murmur3_128(_number_or_text(value), _SEED_OF_128), is_base64)
    if method == "IPV4_NETWORK":
        if key is None:
            raise options.refuse("IPV4_NETWORK needs a key: the number of bits of the network")
        bits = ruby_integer(key)
        return lambda value: _network(ruby_text(value), bits)
    name = method.lower()
    if key is None:
        return lambda value: _shown(hashlib.new(name, _bytes(value)).digest(), is_base64)
    secret = key.encode()
    return lambda value: _shown(hmac.digest(secret, _bytes(value), name), is_base64)


def _bytes(value: Value) -> bytes:
    return ruby_text(value).encode("utf-8", "surrogatepass")


def _number_or_text(value: Value) -> bytes:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value % (1 << _WORD)).to_bytes(_WORD // 8, "little")
    return _bytes(value)


def _shown(digest: bytes, is_base64: bool) -> str:
    return base64.b64encode(digest).decode() if is_base64 else digest.hex()


def _network(text: str, bits: int) -> str:
    try:
        network = ip_network(text, strict=False)
        return str(network.network_address if bits >= network.prefixlen else
                   network.supernet(new_prefix=bits).network_address)  # fmt: skip
    except ValueError as error:
        raise FieldError(f"fingerprint: {text!r} is no address: {error}") from error
