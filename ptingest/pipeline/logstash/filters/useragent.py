"""The filter ``useragent``: browser, system and device of a user agent's text.

It needs the package ``ua-parser``: ``pip install "ptingest[useragent]"``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import reader, remover, writer
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.values import FieldError, Value, ruby_text

OPTIONS = (
    Option("source", is_required=True),
    Option("target"),
    Option("regexes", "path"),
    Option("prefix", default=""),
    Option("lru_cache_size", "number", 100_000),
)
_METADATA = "[@metadata][filter][user_agent]"
_ECS_FIELDS = {
    "name": "[name]", "device": "[device][name]", "version": "[version]", "os_name": "[os][name]",
    "os_full": "[os][full]", "os_version": "[os][version]",
}  # fmt: skip
_NUMBERS = ("major", "minor", "patch")
_FIELDS = (
    "name", "device", "version", *_NUMBERS, "os_name", "os", "os_full", "os_version",
    *(f"os_{number}" for number in _NUMBERS),
)  # fmt: skip


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; of a list the first element counts."""
    options, matched = setup.options, setup.matched
    parser = _parser(setup)
    read, remove = reader(options["source"]), remover(options["source"])
    removes_source = options["target"] == options["source"]
    writers = {name: writer(text) for name, text in _names(setup).items()}

    def useragent(event: Event) -> None:
        text = _text(read(event))
        if not text:
            return
        found = parser.parse(text).with_defaults()
        if removes_source:
            remove(event)
        values = {
            **_agent(text, found.user_agent), **_system(found.os), "device": found.device.family,
        }  # fmt: skip
        for name, write in writers.items():
            value = values.get(name)
            if value is not None:
                write(event, value)
        matched(event)

    return useragent


def _parser(setup: FilterSetup) -> Any:
    """Return the parser; its package is imported where a config needs it."""
    options = setup.options
    try:
        ua_parser: Any = import_module("ua_parser")
        loaders: Any = import_module("ua_parser.loaders")
        caching: Any = import_module("ua_parser.caching")
    except ImportError as error:
        raise options.refuse(
            f'it needs the package ua-parser: pip install "ptingest[useragent]" ({error})',
            is_unsupported=True,
        ) from error
    try:
        if options["regexes"] is None:
            matchers = loaders.load_builtins()
        else:
            matchers = loaders.load_yaml(setup.folder / options["regexes"])
        # RE2 looks at all expressions at once, in a time that is linear in the text.
        resolver = ua_parser.Re2Resolver(matchers)
    except Exception as error:
        raise options.refuse(f"the regexes cannot be used: {error}", "regexes") from error
    size = max(1, int(options["lru_cache_size"]))
    return ua_parser.Parser(ua_parser.CachingResolver(resolver, caching.Lru(size)))


def _names(setup: FilterSetup) -> dict[str, str]:
    """Return where each part goes."""
    target = setup.options["target"] or ("user_agent" if setup.has_ecs else "")
    prefix = f"[{target}]" if target and not target.startswith("[") else target
    if not setup.has_ecs:
        return {name: f"{prefix}[{setup.options['prefix']}{name}]" for name in _FIELDS}
    names = {name: prefix + text for name, text in _ECS_FIELDS.items()}
    for number in _NUMBERS:
        names[number] = f"{_METADATA}[version][{number}]"
        names[f"os_{number}"] = f"{_METADATA}[os][version][{number}]"
    return names


def _text(value: Value) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if value is MISSING or value is None:
        return None
    if not isinstance(value, str):
        raise FieldError(f"useragent: {ruby_text(value)} is no text")
    return value


def _agent(text: str, agent: Any) -> dict[str, Any]:
    parts = [agent.major, agent.minor, agent.patch, agent.patch_minor]
    version = _joined(parts)
    if agent.patch is not None and agent.patch_minor is None:
        version = _with_fourth_number(text, version or "")
    return {
        "name": agent.family, "version": version, **dict(zip(_NUMBERS, parts, strict=False)),
    }  # fmt: skip


def _with_fourth_number(text: str, version: str) -> str:
    """Add the number that follows the version in the text, where the expression did not take it."""
    _, point, rest = text.partition(f"{version}.")
    number, space, _ = rest.partition(" ")
    is_number = number.isdecimal() and str(int(number)) == number
    return f"{version}.{number}" if point and space and is_number else version


def _system(system: Any) -> dict[str, Any]:
    parts = [system.major, system.minor, system.patch, system.patch_minor]
    version = _joined(parts)
    if version is not None and not parts[0].isdecimal():
        # Vista 1.2, not Vista.1.2
        version = version.replace(".", " ", 1)
    return {
        "os_name": system.family, "os": system.family,
        "os_full": system.family if version is None else f"{system.family} {version}",
        "os_version": version,
        **{f"os_{name}": part for name, part in zip(_NUMBERS, parts, strict=False)},
    }  # fmt: skip


def _joined(parts: list[Any]) -> str | None:
    """Return the parts up to the first that is missing."""
    present = parts[: parts.index(None)] if None in parts else parts
    return ".".join(present) or None
