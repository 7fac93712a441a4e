"""The filter ``de_dot``: dots in names of fields become another text, or levels."""

from __future__ import annotations

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.values import FieldError, Value

OPTIONS = (
    Option("separator", default="_"),
    Option("nested", "boolean", False),
    Option("recursive", "boolean", False),
    Option("fields", "array"),
)


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; without ``fields`` it looks at every field of the event."""
    options, matched = setup.options, setup.matched
    separator, is_recursive = options["separator"], options["recursive"]
    if "." in separator:
        raise options.refuse("the separator must have no dot", "separator")
    if options["nested"]:
        separator = "]["
    fields = None if options["fields"] is None else [str(name) for name in options["fields"]]

    def de_dot(event: Event) -> None:
        try:
            for name in list(event.root) if fields is None else fields:
                if is_recursive:
                    _replace_below(event, name, separator)
                if "." in name:
                    _rename(event, name, separator)
        except FieldError:
            event.tag("_de_dot_error")
        else:
            matched(event)

    return de_dot


def _rename(event: Event, name: str, separator: str) -> None:
    reference = parse_reference(name)
    value = event.get(reference)
    if value is not MISSING:
        bracketed = name if name.startswith("[") else f"[{name}]"
        event.set(parse_reference(bracketed.replace(".", separator)), value)
        event.remove(reference)


def _replace_below(event: Event, name: str, separator: str) -> None:
    reference = parse_reference(name)
    value = event.get(reference)
    if isinstance(value, dict):
        event.set(reference, _replaced(value, separator))


def _replaced(value: Value, separator: str) -> Value:
    if not isinstance(value, dict):
        return value
    found: dict[str, Value] = {}
    for key, one in value.items():
        inner = _replaced(one, separator)
        if separator == "][" and "." in key:
            *parents, last = key.split(".")
            holder = found
            for parent in parents:
                holder = holder.setdefault(parent, {})
            holder[last] = inner
        else:
            found[key.replace(".", separator)] = inner
    return found
