"""The filter ``mutate``: changes fields, one kind of operation after the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ptingest.pipeline.logstash.conversions import CONVERSIONS, Conversion
from ptingest.pipeline.logstash.decoration import unchanged
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import Writer, reader, remover, writer
from ptingest.pipeline.logstash.operations import Operation, Operations, WriteText
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.sprintf import compile_reference, known_reference
from ptingest.pipeline.logstash.substitution import compile_substitution
from ptingest.pipeline.logstash.values import (
    FieldError,
    Value,
    capitalize,
    copied,
    java_text,
    lowercase,
    ruby_inspection,
    ruby_text,
)

OPTIONS = (
    Option("coerce", "hash", []),
    Option("rename", "hash", []),
    Option("update", "hash", []),
    Option("replace", "hash", []),
    Option("convert", "hash", []),
    Option("gsub", "array", []),
    Option("uppercase", "array", []),
    Option("capitalize", "array", []),
    Option("lowercase", "array", []),
    Option("strip", "array", []),
    Option("split", "hash", []),
    Option("join", "hash", []),
    Option("merge", "hash", []),
    Option("copy", "hash", []),
    Option("tag_on_failure", "string", "_mutate_error"),
)
_SPACE = " \t\n\v\f\r"
_SPACES = re.compile(f"[{_SPACE}]+")


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter. An operation that fails ends the filter: what was done stays."""
    options, tag = setup.options, setup.options["tag_on_failure"]
    operations = _operations(options)
    if setup.matched is not unchanged:
        operations.append(setup.matched)
    return Operations(operations, tag)


def _operations(options: Options) -> list[Operation | WriteText]:
    """In the order of Logstash, whatever the order in the config."""
    pairs: list[tuple[str, Callable[[str, Any], Operation | WriteText]]] = [
        ("coerce", _coerce), ("rename", _rename), ("update", _update), ("replace", _write_text),
    ]  # fmt: skip
    later: list[tuple[str, Callable[[str, Any], Operation]]] = [
        ("split", _split), ("join", _join), ("merge", _merge), ("copy", _copy),
    ]  # fmt: skip
    operations = [make(key, value) for name, make in pairs for key, value in options[name]]
    operations += [_convert(options, key, value) for key, value in options["convert"]]
    operations += _substitutions(options)
    for name, change in _TEXT_CHANGES.items():
        operations += [_change_texts(str(field), change) for field in options[name]]
    operations += [_strip(str(field)) for field in options["strip"]]
    operations += [make(key, value) for name, make in later for key, value in options[name]]
    return operations


def _text(value: Any) -> str:
    """A value that stands twice for one key became a list, and is used as Ruby prints it."""
    if isinstance(value, list):
        return ", ".join(map(ruby_inspection, value))
    return java_text(value)


def _coerce(name: str, value: Any) -> Operation:
    read, write = reader(name), _write_text(name, value).closure()

    def coerce(event: Event) -> None:
        if read(event) is None:
            write(event)

    return coerce


def _rename(name: str, value: Any) -> Operation:
    new = _text(value)
    if "%{" not in name and "%{" not in new:
        return _rename_known(name, new)
    find, target = compile_reference(name), compile_reference(new)

    def rename(event: Event) -> None:
        old = find(event)
        if event.get(old) is not MISSING:
            reference = target(event)
            event.set(reference, event.remove(old))

    return rename


def _rename_known(name: str, new: str) -> Operation:
    # A bad new name is told only where the field is there, and then the field stays.
    read, remove, write, check = reader(name), remover(name), writer(new), known_reference(new)

    def rename(event: Event) -> None:
        if read(event) is not MISSING:
            check(event)
            write(event, remove(event))

    return rename


def _update(name: str, value: Any) -> Operation:
    read, write = reader(name), _write_text(name, value).closure()

    def update(event: Event) -> None:
        if read(event) is not MISSING:
            write(event)

    return update


def _write_text(name: str, value: Any) -> WriteText:
    """Return the operation ``replace``."""
    return WriteText(name, _text(value))


def _convert(options: Options, name: str, kind: Any) -> Operation:
    if not isinstance(kind, str) or kind not in CONVERSIONS:
        raise options.refuse(
            f"convert has no type {kind!r}; its types are {', '.join(CONVERSIONS)}", "convert"
        )
    read, write, conversion = reader(name), writer(name), CONVERSIONS[kind]

    def convert(event: Event) -> None:
        value = read(event)
        if isinstance(value, list):
            write(event, [_converted(one, conversion) for one in value])
        elif value is not MISSING and value is not None and not isinstance(value, dict):
            write(event, conversion(value))

    return convert


def _converted(value: Value, conversion: Conversion) -> Value:
    return None if value is None else conversion(value)


def _substitutions(options: Options) -> list[Operation]:
    triples = options["gsub"]
    if len(triples) % 3:
        raise options.refuse(
            f"gsub takes three values for each substitution: field, pattern, replacement; it has "
            f"{len(triples)}",
            "gsub",
        )
    return [
        _change_texts_found(
            str(triples[at]),
            compile_substitution(options, str(triples[at + 1]), str(triples[at + 2])),
        )
        for at in range(0, len(triples), 3)
    ]


def _change_texts_found(name: str, change: Callable[[str, Event], str]) -> Operation:
    read, write = reader(name), writer(name)

    def substitute(event: Event) -> None:
        value = read(event)
        if isinstance(value, str):
            write(event, change(value, event))
        elif isinstance(value, list):
            write(event, [change(one, event) if isinstance(one, str) else one for one in value])

    return substitute


_TEXT_CHANGES: dict[str, Callable[[str], str]] = {
    "uppercase": str.upper,
    "capitalize": capitalize,
    "lowercase": lowercase,
}


def _change_texts(name: str, change: Callable[[str], str]) -> Operation:
    read, write = reader(name), writer(name)

    def change_texts(event: Event) -> None:
        value = read(event)
        if isinstance(value, str):
            write(event, change(value))
        elif isinstance(value, list):
            write(event, [change(one) if isinstance(one, str) else one for one in value])

    return change_texts


def _strip(name: str) -> Operation:
    read, write = reader(name), writer(name)

    def strip(event: Event) -> None:
        value = read(event)
        if isinstance(value, str):
            write(event, _stripped(value))
        elif isinstance(value, list):
            write(event, [_stripped(one) for one in value])

    return strip


def _stripped(value: Value) -> str:
    if not isinstance(value, str):
        raise FieldError("strip takes strings only")
    return value.strip(f"{_SPACE}\0")


def _split(name: str, value: Any) -> Operation:
    read, write, separator = reader(name), writer(name), java_text(value)

    def split(event: Event) -> None:
        text = read(event)
        if isinstance(text, str):
            write(event, _parts(text, separator))

    return split


def _parts(text: str, separator: str) -> list[Value]:
    """Ruby's ``String#split``: empty parts at the end vanish; " " is any white space."""
    if separator == " ":
        parts = _SPACES.split(text.lstrip(_SPACE))
    elif separator:
        parts = text.split(separator)
    else:
        parts = list(text)
    while parts and not parts[-1]:
        parts.pop()
    return list(parts)


def _join(name: str, value: Any) -> Operation:
    read, write, separator = reader(name), writer(name), java_text(value)

    def join(event: Event) -> None:
        items = read(event)
        if isinstance(items, list):
            write(event, separator.join(_flat_texts(items)))

    return join


def _flat_texts(items: list[Value]) -> list[str]:
    texts: list[str] = []
    for item in items:
        texts += _flat_texts(item) if isinstance(item, list) else [ruby_text(item)]
    return texts


def _merge(name: str, value: Any) -> Operation:
    names = value if isinstance(value, list) else [value]
    sources = [reader(java_text(one)) for one in names]
    read, write = reader(name), writer(name)

    def merge(event: Event) -> None:
        old = read(event)
        for source in sources:
            _merge_one(event, write, old, copied(source(event)))
            if isinstance(old, list):
                old = read(event)

    return merge


def _merge_one(event: Event, write: Writer, old: Value, new: Value) -> None:
    """Of several sources all count where the destination was a list, else the last."""
    if isinstance(old, dict) and isinstance(new, dict):
        write(event, {**old, **new})
    elif not isinstance(old, dict) and not isinstance(new, dict):
        write(event, [*_listed(old), *_listed(new)])


def _listed(value: Value) -> list[Value]:
    if isinstance(value, list):
        return value
    return [] if value is None or value is MISSING else [value]


def _copy(name: str, value: Any) -> Operation:
    read, write = reader(name), writer(java_text(value))

    def copy_field(event: Event) -> None:
        found = read(event)
        if found is not MISSING and found is not None:
            write(event, copied(found))

    return copy_field
