"""The filter ``urldecode``: ``%20`` and the like become the characters that they stand for."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import reader, writer
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.values import FieldError, Value, ruby_inspection

OPTIONS = (
    Option("field", default="message"),
    Option("all_fields", "boolean", False),
    Option("charset", default="UTF-8"),
    Option("tag_on_failure", "array", ["_urldecodefailure"]),
)
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_INVALID = re.compile(r"([\udc80-\udcff])")


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; it goes through lists and hashes, and leaves other values alone."""
    options, matched = setup.options, setup.matched
    decode = _decoder(_charset(setup))
    read, write, has_all = reader(options["field"]), writer(options["field"]), options["all_fields"]
    failure_tags = options["tag_on_failure"]

    def urldecode(event: Event) -> None:
        try:
            if has_all:
                for name, value in list(event.fields.items()):
                    event.root[name] = decode(value)
            else:
                value = read(event)
                # As in Logstash, a field that is not there becomes null.
                write(event, None if value is MISSING else decode(value))
        except FieldError:
            for tag in failure_tags:
                event.tag(tag)
        matched(event)

    return urldecode


def _charset(setup: FilterSetup) -> str:
    name = setup.options["charset"]
    try:
        b"a".decode(name, "replace")  # refuses codecs that make no text, such as hex
        return codecs.lookup(name).name
    except LookupError:
        raise setup.options.refuse(
            f"there is no character set {name!r}; names are UTF-8, ISO-8859-1, windows-1252 "
            "and the like",
            "charset",
        ) from None


def _decoder(charset: str) -> Callable[[Value], Value]:
    def decode(value: Value) -> Value:
        if isinstance(value, str):
            if charset == "utf-8" and "%" not in value:
                return value
            raw = _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), value.encode())
            return _utf8(raw) if charset == "utf-8" else raw.decode(charset, "replace")
        if isinstance(value, list):
            return list(map(decode, value))
        if isinstance(value, dict):
            return dict(zip(value, map(decode, value.values()), strict=True))
        return value

    return decode


def _utf8(raw: bytes) -> str:
    """Decode; a text with bytes that are not UTF-8 is shown with escapes, as Ruby inspects it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pieces = _INVALID.split(raw.decode("utf-8", "surrogateescape"))
        return "".join(
            f"\\x{ord(piece) - 0xDC00:02X}" if _INVALID.fullmatch(piece)
            else ruby_inspection(piece)[1:-1]
            for piece in pieces
        )  # fmt: skip
