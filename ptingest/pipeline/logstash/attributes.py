"""Attributes of a plugin in a config against the options that it declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from ptingest.pipeline.logstash.hash_order import java_order
from ptingest.pipeline.logstash.options import (
    Kind,
    Option,
    Options,
    RefusedConfig,
    refuse_all,
)
from ptingest.pipeline.logstash.tree import (
    Array,
    Attribute,
    Hash,
    Number,
    Place,
    Plugin,
    Text,
    Value,
)

Pairs = list[tuple[str, Any]]
_BYTES = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgtpe]?)(i?)b?\s*", re.IGNORECASE)


def check_attributes(plugin: Plugin, declared: Iterable[Option]) -> Options:
    """Check one plugin's attributes and give every declared option a value.

    Raises:
        RefusedConfig: an option is unknown, missing, of another type, or cannot be used here.
    """
    known = {option.name: option for option in declared}
    given: dict[str, Any] = {}
    places: dict[str, Place] = {}
    problems: list[RefusedConfig] = []
    for attribute in plugin.attributes:
        problem = _problem(plugin, attribute, known)
        if problem is not None:
            problems.append(problem)
            continue
        value = _plain(attribute.value)
        if attribute.name in given:
            value = _joined(given[attribute.name], value)
        given[attribute.name] = value
        places.setdefault(attribute.name, attribute.place)
    values = {}
    for option in known.values():
        try:
            values[option.name] = _value(plugin, option, given, places)
        except RefusedConfig as problem:
            problems.append(problem)
    refuse_all(problems)
    return Options(plugin.name, plugin.place, values, places)


def _problem(
    plugin: Plugin, attribute: Attribute, known: Mapping[str, Option]
) -> RefusedConfig | None:
    option = known.get(attribute.name)
    if option is None:
        sentence = (
            f"{plugin.name} has no option {attribute.name!r}; its options are "
            f"{', '.join(sorted(known))}"
        )
        return RefusedConfig(attribute.place, sentence)
    if option.refused:
        sentence = f"{plugin.name}.{option.name}: {option.refused}"
        return RefusedConfig(attribute.place, sentence, is_unsupported=True)
    return None


def _value(
    plugin: Plugin, option: Option, given: Mapping[str, Any], places: Mapping[str, Place]
) -> Any:
    if option.name in given:
        return _converted(plugin, option, given[option.name], places[option.name])
    if option.is_required:
        raise RefusedConfig(plugin.place, f"{plugin.name} needs the option {option.name!r}")
    return option.default


class _Pairs(list[tuple[str, Any]]):
    """A hash in a config: its entries in the order in which they are applied."""


def _plain(value: Value) -> Any:
    match value:
        case Text() | Number(value=int()):
            return value.value
        case Number():
            return float(value.value)
        case Array():
            return [_plain(one) for one in value.items]
        case Hash():
            pairs = [(str(key.value), _plain(one)) for key, one in value.entries]
            return _Pairs(pairs[index] for index in java_order([key for key, _ in pairs]))
    return value


def _joined(first: Any, second: Any) -> Any:
    """The value of an option that stands twice: lists are joined, hashes merged."""
    if isinstance(first, _Pairs) and isinstance(second, _Pairs):
        return _merged([*first, *second])
    return _listed(first) + _listed(second)


def _merged(pairs: Iterable[tuple[str, Any]]) -> _Pairs:
    """Values of a key that stands twice become a list."""
    merged: dict[str, Any] = {}
    for key, value in pairs:
        merged[key] = _listed(merged[key]) + _listed(value) if key in merged else value
    return _Pairs(merged.items())


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) and not isinstance(value, _Pairs) else [value]


def _converted(plugin: Plugin, option: Option, value: Any, place: Place) -> Any:
    try:
        found = _CONVERSIONS[option.kind](value)
    except (TypeError, ValueError):
        raise RefusedConfig(
            place,
            f"{plugin.name}.{option.name} must be {_KIND_TEXTS[option.kind]}, is {_shown(value)}",
        ) from None
    if option.choices and found not in option.choices:
        raise RefusedConfig(
            place,
            f"{plugin.name}.{option.name} must be one of {', '.join(option.choices)}, "
            f"is {_shown(value)}",
        )
    return found


def _shown(value: Any) -> str:
    if isinstance(value, _Pairs):
        return f"a hash of {', '.join(key for key, _ in value) or 'nothing'}"
    return f"the codec {value.name!r}" if isinstance(value, Plugin) else repr(value)


def _single(value: Any) -> Any:
    """A list of one element stands for the element."""
    if isinstance(value, list) and not isinstance(value, _Pairs):
        if len(value) != 1:
            raise TypeError
        return value[0]
    return value


def _text(value: Any) -> str:
    one = _single(value)
    if isinstance(one, (int, float)) and not isinstance(one, bool):
        return str(one)
    if not isinstance(one, str):
        raise TypeError
    return one


def _number(value: Any) -> int | float:
    text = _text(value)
    number = Decimal(text) if re.fullmatch(r"-?\d+(\.\d*)?", text) else None
    if number is None:
        raise ValueError
    return float(number) if "." in text else int(number)


def _boolean(value: Any) -> bool:
    text = _text(value)
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _array(value: Any) -> list[Any]:
    if isinstance(value, Plugin):
        raise TypeError
    return [_element(one) for one in _listed(value)]


def _element(value: Any) -> Any:
    """Values inside an array or a hash: hashes become dicts."""
    if isinstance(value, _Pairs):
        return {key: _element(one) for key, one in value}
    if isinstance(value, list):
        return [_element(one) for one in value]
    if isinstance(value, Plugin):
        raise TypeError
    return value


def _hash(value: Any) -> Pairs:
    if isinstance(value, list) and not isinstance(value, _Pairs):
        if len(value) == 1 and isinstance(value[0], _Pairs):
            value = value[0]
        elif len(value) % 2:
            raise TypeError
        else:
            value = _merged((str(value[at]), value[at + 1]) for at in range(0, len(value), 2))
    if not isinstance(value, _Pairs):
        raise TypeError
    return [(key, _element(one)) for key, one in value]


def _codec(value: Any) -> Plugin:
    one = _single(value)
    if isinstance(one, str):
        return Plugin(one, (), Place("", 1, 1))
    if not isinstance(one, Plugin):
        raise TypeError
    return one


def _bytes(value: Any) -> int:
    found = _BYTES.fullmatch(_text(value))
    if found is None:
        raise ValueError
    base = 1024 if found[3] or not found[2] else 1000
    return int(Decimal(found[1]) * base ** " kmgtpe".index(found[2].lower() or " "))


_CONVERSIONS: dict[Kind, Callable[[Any], Any]] = {
    "string": _text,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "hash": _hash,
    "field_reference": _text,
    "path": _text,
    "password": _text,
    "codec": _codec,
    "bytes": _bytes,
    "any": _element,
}
_KIND_TEXTS: dict[Kind, str] = {
    "string": "a string",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "hash": "a hash such as { \"key\" => \"value\" }",
    "field_reference": "the name of a field",
    "path": "a path",
    "password": "a string",
    "codec": "a codec",
    "bytes": "a number of bytes such as 512 or \"10 MiB\"",
    "any": "a value",
}  # fmt: skip
