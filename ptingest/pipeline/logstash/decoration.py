"""What every filter does on success: add_field, remove_field, add_tag, remove_tag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import remover
from ptingest.pipeline.logstash.options import Options
from ptingest.pipeline.logstash.sprintf import Template, compile_reference, compile_template
from ptingest.pipeline.logstash.values import FieldError, Value, java_text

Change = Callable[[Event], object]


def compile_decoration(options: Options) -> Change:
    """Compile the four options; the result raises FieldError for a field that cannot be set."""
    changes: list[Change] = []
    for name, value in options["add_field"]:
        changes += [
            _add_field(name, one) for one in (value if isinstance(value, list) else [value])
        ]
    changes += [_remove_field(str(name)) for name in options["remove_field"]]
    changes += [_add_tag(java_text(tag)) for tag in options["add_tag"]]
    if options["remove_tag"]:
        changes.append(_remove_tags([java_text(tag) for tag in options["remove_tag"]]))
    if len(changes) == 1:
        return changes[0]
    if not changes:
        return unchanged

    def decorate(event: Event) -> None:
        for change in changes:
            change(event)

    return decorate


def unchanged(_event: Event) -> None:
    """Change nothing: none of the four options is set."""


def _add_field(name: str, value: Any) -> Change:
    find, text = compile_reference(name), compile_template(java_text(value))

    def add(event: Event) -> None:
        reference = find(event)
        new, old = text(event), event.get(reference)
        event.set(reference, new if old is MISSING else [*_as_list(old), new])

    return add


def _as_list(value: Value) -> list[Value]:
    """Ruby's ``Array(value)``: null is nothing, an object is its pairs."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [[key, one] for key, one in value.items()]
    return [] if value is None else [value]


def _remove_field(name: str) -> Change:
    if "%{" not in name:
        return remover(name)
    find = compile_reference(name)

    def remove(event: Event) -> None:
        event.remove(find(event))

    return remove


def _add_tag(tag: str) -> Change:
    text = compile_template(tag)

    def add(event: Event) -> None:
        tags = _tags(event)
        tags.append(text(event))
        event.root["tags"] = tags

    return add


def _remove_tags(names: list[str]) -> Change:
    texts: list[Template] = [compile_template(name) for name in names]

    def remove(event: Event) -> None:
        if event.root.get("tags") is not None:
            gone = {text(event) for text in texts}
            event.root["tags"] = [tag for tag in _tags(event) if tag not in gone]

    return remove


def _tags(event: Event) -> list[Any]:
    tags = event.read("tags")
    if tags is None:
        return []
    if isinstance(tags, str):
        return [tags]
    if not isinstance(tags, list):
        raise FieldError("tags is no list of strings")
    return tags
