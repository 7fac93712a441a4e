"""The filter ``json``: a field's JSON text becomes fields."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

from ptingest.pipeline.decode import nests_too_deeply
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import reader, writer
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.values import (
    FieldError,
    Timestamp,
    Value,
    parse_timestamp,
    ruby_text,
)

OPTIONS = (
    Option("source", is_required=True),
    Option("target", "field_reference"),
    Option("tag_on_failure", "array", ["_jsonparsefailure"]),
    Option("skip_on_invalid_json", "boolean", False),
)
_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89abAB]")


class NotJson(Exception):
    """A text is no JSON as Logstash's parser takes it."""


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; fields of the event that the JSON names are overwritten whole."""
    options, matched = setup.options, setup.matched
    read = reader(options["source"])
    write = writer(options["target"]) if options["target"] else _set_all
    failure_tags, skips_others = options["tag_on_failure"], options["skip_on_invalid_json"]

    def json(event: Event) -> None:
        text = read(event)
        if text is MISSING or text is None or text is False:
            return
        try:
            value = parse_json(text)
        except NotJson:
            if not skips_others:
                tag_failure(event)
            return
        try:
            write(event, value)
            matched(event)
        except FieldError:
            tag_failure(event)

    def tag_failure(event: Event) -> None:
        for tag in failure_tags:
            event.tag(tag)

    return json


def parse_json(text: Value) -> Value:
    """Parse as Logstash's json filter does: of several documents the last counts.

    Decimal numbers become ``Decimal``; an empty text is null.

    Raises:
        NotJson: it is no text, not JSON, or nested more deeply than an event may be.
    """
    if not isinstance(text, str) or nests_too_deeply(text.encode("utf-8", "surrogatepass")):
        raise NotJson
    value, at = None, 1 if text.startswith("\ufeff") else 0
    at = _end_of_space(text, at)
    try:
        while at < len(text):
            value, end = _DECODER.raw_decode(text, at)
            at = _end_of_space(text, end)
            # 1 2 are two documents, 12 is one: a number must end before the next begins.
            if end < len(text) and at == end and not isinstance(value, (dict, list)):
                raise NotJson
    except (JSONDecodeError, ValueError) as error:
        raise NotJson from error
    return _without_surrogates(value) if _ESCAPED_SURROGATE.search(text) else value


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite():
        raise ValueError(text)
    # A BigDecimal has no negative zero.
    return abs(number) if number.is_zero() else number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


_DECODER = JSONDecoder(parse_float=_decimal, parse_constant=_no_constant)


def _without_surrogates(value: Any) -> Any:
    """Put ``?`` where half of a pair of surrogates stands: no encoder can write it."""
    if isinstance(value, str):
        return _SURROGATE.sub("?", value)
    if isinstance(value, list):
        return list(map(_without_surrogates, value))
    if isinstance(value, dict):
        names = map(_without_surrogates, value)
        return dict(zip(names, map(_without_surrogates, value.values()), strict=True))
    return value


def _set_all(event: Event, value: Value) -> None:
    if not isinstance(value, dict):
        raise FieldError("JSON without a target must be an object")
    moment = value.pop("@timestamp", None)
    for key, one in value.items():
        if key:
            event.set(parse_reference(key), one)
        else:
            event.root[""] = one
    if moment is None or moment is False:
        return
    parsed = parse_timestamp(moment) if isinstance(moment, str) else None
    event.root["@timestamp"] = parsed or Timestamp(event.now_ns)
    if parsed is None:
        event.tag("_timestampparsefailure")
        event.root["_@timestamp"] = ruby_text(moment)
