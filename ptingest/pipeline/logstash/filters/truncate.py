"""The filter ``truncate``: texts are cut to a number of bytes, never within a character."""

from __future__ import annotations

from itertools import repeat

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.sprintf import known_reference
from ptingest.pipeline.logstash.values import Value

OPTIONS = (
    Option("length_bytes", "number", is_required=True),
    Option("fields", "array", []),
)


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; without ``fields`` it cuts every text of the event."""
    matched, length = setup.matched, int(setup.options["length_bytes"])
    fields = [known_reference(str(name)) for name in setup.options["fields"]]

    def truncate(event: Event) -> None:
        is_cut = False
        if fields:
            for field in fields:
                reference = field(event)
                value = event.get(reference)
                short = _shortened(value, length)
                if short is not value:
                    event.set(reference, short)
                    is_cut = True
        else:
            fields_now = event.fields
            short = _shortened(fields_now, length)
            is_cut = short is not fields_now
            fields_now.update(short)  # the root stays the object that others hold
        if is_cut:
            matched(event)

    return truncate


def _shortened(value: Value, length: int) -> Value:
    """Return the value itself when nothing in it is too long."""
    if isinstance(value, str):
        return _cut(value, length)
    if isinstance(value, list):
        texts = [_cut(one, length) if isinstance(one, str) else one for one in value]
        return value if all(map(_is_same, texts, value)) else texts
    if isinstance(value, dict):
        shortened = map(_shortened, value.values(), repeat(length))
        inner = dict(zip(value, shortened, strict=True))
        return value if all(map(_is_same, inner.values(), value.values())) else inner
    return value


def _is_same(one: Value, other: Value) -> bool:
    return one is other


def _cut(text: str, length: int) -> str | None:
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= length:
        return text
    return None if length < 0 else raw[:length].decode("utf-8", "ignore")
