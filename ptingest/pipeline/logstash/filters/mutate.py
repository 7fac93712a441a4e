"""The filter ``mutate``: changes fields, one kind of operation after the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ptingest.pipeline.logstash.conversions import CONVERSIONS, Conversion
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_reference import Reference
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.sprintf import (
    Template,
    compile_reference,
    compile_template,
    known_reference,
)
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
Operation = Callable[[Event], None]
_SPACE = " \t\n\v\f\r"
_SPACES = re.compile(f"[{_SPACE}]+")


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter. An operation that fails ends the filter: what was done stays."""
    options, matched, tag = setup.options, setup.matched, setup.options["tag_on_failure"]
    operations = _operations(options)

    def mutate(event: Event) -> None:
        try:
            for operation in operations:
                operation(event)
            matched(event)
        except FieldError:
            event.tag(tag)

    return mutate


def _operations(options: Options) -> list[Operation]:
    """In the order of Logstash, whatever the order in the config."""
    pairs: list[tuple[str, Callable[[str, Any], Operation]]] = [
        ("coerce", _coerce), ("rename", _rename), ("update", _update), ("replace", _replace),
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


def _template(value: Any) -> Template:
    """A value that stands twice for one key became a list, and is used as Ruby prints it."""
    if isinstance(value, list):
        return compile_template(", ".join(map(ruby_inspection, value)))
    return compile_template(java_text(value))


def _coerce(name: str, value: Any) -> Operation:
    find, text = known_reference(name), _template(value)

    def coerce(event: Event) -> None:
        reference = find(event)
        if event.get(reference) is None:
            event.set(reference, text(event))

    return coerce


def _rename(name: str, value: Any) -> Operation:
    find = compile_reference(name)
    target = compile_reference(
        ", ".join(map(ruby_inspection, value)) if isinstance(value, list) else java_text(value)
    )

    def rename(event: Event) -> None:
        old = find(event)
        if event.get(old) is not MISSING:
            new = target(event)
            event.set(new, event.remove(old))

    return rename


def _update(name: str, value: Any) -> Operation:
    find, text = known_reference(name), _template(value)

    def update(event: Event) -> None:
        reference = find(event)
        if event.get(reference) is not MISSING:
            event.set(reference, text(event))

    return update


def _replace(name: str, value: Any) -> Operation:
    find, text = known_reference(name), _template(value)

    def replace(event: Event) -> None:
        event.set(find(event), text(event))

    return replace


def _convert(options: Options, name: str, kind: Any) -> Operation:
    if not isinstance(kind, str) or kind not in CONVERSIONS:
        raise options.refuse(
            f"convert has no type {kind!r}; its types are {', '.join(CONVERSIONS)}", "convert"
        )
    find, conversion = known_reference(name), CONVERSIONS[kind]

    def convert(event: Event) -> None:
        reference = find(event)
        value = event.get(reference)
        if isinstance(value, list):
            event.set(reference, [_converted(one, conversion) for one in value])
        elif value is not MISSING and value is not None and not isinstance(value, dict):
            event.set(reference, conversion(value))

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
            known_reference(str(triples[at])),
            compile_substitution(options, str(triples[at + 1]), str(triples[at + 2])),
        )
        for at in range(0, len(triples), 3)
    ]


def _change_texts_found(
    find: Callable[[Event], Any], change: Callable[[str, Event], str]
) -> Operation:
    def substitute(event: Event) -> None:
        reference = find(event)
        value = event.get(reference)
        if isinstance(value, str):
            event.set(reference, change(value, event))
        elif isinstance(value, list):
            event.set(
                reference, [change(one, event) if isinstance(one, str) else one for one in value]
            )

    return substitute


_TEXT_CHANGES: dict[str, Callable[[str], str]] = {
    "uppercase": str.upper,
    "capitalize": capitalize,
    "lowercase": lowercase,
}


def _change_texts(name: str, change: Callable[[str], str]) -> Operation:
    find = known_reference(name)

    def change_texts(event: Event) -> None:
        reference = find(event)
        value = event.get(reference)
        if isinstance(value, str):
            event.set(reference, change(value))
        elif isinstance(value, list):
            event.set(reference, [change(one) if isinstance(one, str) else one for one in value])

    return change_texts


def _strip(name: str) -> Operation:
    find = known_reference(name)

    def strip(event: Event) -> None:
        reference = find(event)
        value = event.get(reference)
        if isinstance(value, str):
            event.set(reference, _stripped(value))
        elif isinstance(value, list):
            event.set(reference, [_stripped(one) for one in value])

    return strip


def _stripped(value: Value) -> str:
    if not isinstance(value, str):
        raise FieldError("strip takes strings only")
    return value.strip(f"{_SPACE}\0")


def _split(name: str, value: Any) -> Operation:
    find, separator = known_reference(name), java_text(value)

    def split(event: Event) -> None:
        reference = find(event)
        text = event.get(reference)
        if isinstance(text, str):
            event.set(reference, _parts(text, separator))

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
    find, separator = known_reference(name), java_text(value)

    def join(event: Event) -> None:
        reference = find(event)
        items = event.get(reference)
        if isinstance(items, list):
            event.set(reference, separator.join(_flat_texts(items)))

    return join


def _flat_texts(items: list[Value]) -> list[str]:
    texts: list[str] = []
    for item in items:
        texts += _flat_texts(item) if isinstance(item, list) else [ruby_text(item)]
    return texts


def _merge(name: str, value: Any) -> Operation:
    names = value if isinstance(value, list) else [value]
    sources = [known_reference(java_text(one)) for one in names]
    find = known_reference(name)

    def merge(event: Event) -> None:
        destination = find(event)
        old = event.get(destination)
        for source in sources:
            _merge_one(event, destination, old, copied(event.get(source(event))))
            if isinstance(old, list):
                old = event.get(destination)

    return merge


def _merge_one(event: Event, destination: Reference, old: Value, new: Value) -> None:
    """Of several sources all count where the destination was a list, else the last."""
    if isinstance(old, dict) and isinstance(new, dict):
        event.set(destination, {**old, **new})
    elif not isinstance(old, dict) and not isinstance(new, dict):
        event.set(destination, [*_listed(old), *_listed(new)])


def _listed(value: Value) -> list[Value]:
    if isinstance(value, list):
        return value
    return [] if value is None or value is MISSING else [value]


def _copy(name: str, value: Any) -> Operation:
    find, target = known_reference(name), known_reference(java_text(value))

    def copy_field(event: Event) -> None:
        found = event.get(find(event))
        if found is not MISSING and found is not None:
            event.set(target(event), copied(found))

    return copy_field
