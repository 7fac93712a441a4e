"""The filter ``dissect``: a text is cut at fixed delimiters; no regular expressions.

A mapping such as ``%{date} %{+date} [%{level->}] %{?name}:%{&name}`` is delimiters and fields:
``+`` appends to a field (``/2`` is its turn), ``?`` keeps a value for ``&``, which stores under
the value of the field that it names; ``->`` skips the delimiter after it as often as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from ptingest.pipeline.decode import MAX_NUMBER_DIGITS
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import reader, writer
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.values import FieldError, Value, java_text, ruby_text

OPTIONS = (
    Option("mapping", "hash", []),
    Option("convert_datatype", "hash", []),
    Option("tag_on_failure", "array", ["_dissectfailure"]),
)
_FIELD = re.compile(r"(.*?)%\{([^}]*?)\}", re.DOTALL)
_ORDER = re.compile(r"/([0-9]+)$")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")


class _DissectField(NamedTuple):
    name: str
    kind: str
    """Empty, ``+``, ``&`` or ``?``."""
    turn: int
    """Fields are stored in this order."""
    previous: str
    """The delimiter before it."""
    is_greedy: bool
    """The delimiter after it is skipped as often as it stands."""


Store = Callable[[Event, list[str]], None]
Dissector = Callable[[str], "list[str] | None"]


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; a mapping stores all of its fields or none."""
    options, matched = setup.options, setup.matched
    mappings = [(reader(source), *_mapping(options, text)) for source, text in options["mapping"]]
    conversions = [_conversion(options, name, kind) for name, kind in options["convert_datatype"]]
    failure_tags = options["tag_on_failure"]

    def dissect(event: Event) -> None:
        try:
            is_found, is_failed = not mappings, False
            for read, cut, store in mappings:
                value = read(event)
                if value is MISSING:
                    continue
                values = cut(value if isinstance(value, str) else ruby_text(value))
                if values is None:
                    is_failed = True
                    tag_failure(event)
                else:
                    store(event, values)
                    is_found = True
            for convert in conversions:
                convert(event)
            if is_found and not is_failed:
                matched(event)
        except FieldError:
            tag_failure(event)

    def tag_failure(event: Event) -> None:
        for tag in failure_tags:
            event.tag(tag)

    return dissect


def _mapping(options: Options, text: Value) -> tuple[Dissector, Store]:
    fields, delimiters = _fields(options, str(text))
    return _dissector(delimiters, [field.is_greedy for field in fields]), _store(fields)


def _fields(options: Options, text: str) -> tuple[list[_DissectField], list[str]]:
    """Return the fields of a mapping, and the delimiter before each field."""
    found = list(_FIELD.finditer(text))
    names, delimiters = [one[2] for one in found], [one[1] for one in found]
    rest = text[found[-1].end() :] if found else text
    if not found or "%{" in rest:
        raise options.refuse(
            f"the mapping {text!r} has no field, or one that is not closed", "mapping"
        )
    if rest:
        names, delimiters = [*names, ""], [*delimiters, rest]
    return [
        _field(options, name, previous) for name, previous in zip(names, delimiters, strict=True)
    ], delimiters


def _field(options: Options, written: str, previous: str) -> _DissectField:
    name, is_greedy = written.removesuffix("->"), written.endswith("->")
    kind = name[:1] if name[:1] in ("+", "&", "?") else "" if name else "?"
    name = name.removeprefix(kind)
    turn = {"?": 0, "": 1, "+": 100, "&": 1000}[kind]
    if kind == "+" and (order := _ORDER.search(name)):
        turn, name = turn + int(order[1]), name[: order.start()]
    if (kind in ("+", "&") and not name) or (kind and name[:1] in ("+", "&")):
        raise options.refuse(
            f"the field %{{{written}}} has a sign, but no name of its own", "mapping"
        )
    return _DissectField(name, kind, turn, previous, is_greedy)


def _dissector(delimiters: list[str], greedy: list[bool]) -> Dissector:
    """Return what cuts a text into the values of all fields; None when a delimiter is missing."""
    first, *following = delimiters
    # The delimiter at the very beginning is always skipped as often as it stands.
    skipped = [first if first else "", *(
        delimiter if is_greedy else ""
        for delimiter, is_greedy in zip(following, greedy, strict=False)
    )]  # fmt: skip
    steps = list(zip(skipped, following, strict=False))
    last_skipped = skipped[-1]

    def cut(text: str) -> list[str] | None:
        if not text or not text.startswith(first):
            return None
        left, values = len(first), []
        for skip, delimiter in steps:
            if skip:
                while text.startswith(skip, left):
                    left += len(skip)
            at = text.find(delimiter, left) if delimiter else -1
            if at < 0:
                return None
            if at:
                values.append(text[left:at])
                left = at + len(delimiter)
            else:
                # Logstash does not step over a delimiter at the very beginning of a text.
                values.append("")
        if last_skipped:
            while text.startswith(last_skipped, left):
                left += len(last_skipped)
        values.append(text[left:])
        return values

    return cut


def _store(fields: list[_DissectField]) -> Store:
    stores = [
        _STORES[field.kind](field, index, fields)
        for index, field in sorted(enumerate(fields), key=lambda item: item[1].turn)
        if field.kind != "?"
    ]
    if len(stores) == 1:
        return stores[0]

    def store(event: Event, values: list[str]) -> None:
        for one in stores:
            one(event, values)

    return store


def _store_normal(field: _DissectField, index: int, _fields: list[_DissectField]) -> Store:
    write = writer(field.name)

    def store(event: Event, values: list[str]) -> None:
        write(event, values[index])

    return store


def _store_appended(field: _DissectField, index: int, _fields: list[_DissectField]) -> Store:
    read, write, joint = reader(field.name), writer(field.name), field.previous or " "

    def store(event: Event, values: list[str]) -> None:
        old = read(event)
        value = values[index]
        write(event, value if old is MISSING else f"{java_text(old)}{joint}{value}")

    return store


def _store_indirect(field: _DissectField, index: int, fields: list[_DissectField]) -> Store:
    read = reader(field.name)
    others = [at for at, one in enumerate(fields) if one.name == field.name and at != index]

    def store(event: Event, values: list[str]) -> None:
        found = read(event)
        name = java_text(found) if found is not MISSING else values[others[0]] if others else ""
        if name:
            event.set(parse_reference(name), values[index])

    return store


_STORES = {"": _store_normal, "+": _store_appended, "&": _store_indirect}


def _conversion(options: Options, name: str, kind: Value) -> Callable[[Event], None]:
    read, write, to_int = reader(name), writer(name), str(kind).lower() == "int"
    if str(kind).lower() not in ("int", "float"):
        raise options.refuse(
            f"convert_datatype knows int and float, not {kind!r}", "convert_datatype"
        )

    def convert(event: Event) -> None:
        value = read(event)
        if value is MISSING or value is None:
            event.tag(f"_dataconversionnullvalue_{name}_{kind}")
            return
        number = _number(java_text(value))
        if number is None:
            event.tag(f"_dataconversionuncoercible_{name}_{kind}")
        else:
            write(event, int(number) if to_int else number)

    return convert


def _number(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.adjusted() < MAX_NUMBER_DIGITS else None
