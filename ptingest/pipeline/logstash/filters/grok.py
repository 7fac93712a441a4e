"""The filter ``grok``: fields out of a text, by expressions that are tried in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Raw

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import Writer, reader, root_key, writer
from ptingest.pipeline.logstash.field_reference import Reference, parse_reference
from ptingest.pipeline.logstash.grok import (
    BadPattern,
    Capture,
    Grok,
    compile_groks,
    library,
    read_patterns,
)
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.regex import RegexTimeout
from ptingest.pipeline.logstash.values import FieldError, Value, ruby_text

_BOUNDED = "each expression is bounded in time here, far below Logstash's 30 seconds"

OPTIONS = (
    Option("match", "hash", default=()),
    Option("patterns_dir", "array", default=()),
    Option("patterns_files_glob", "string", "*"),
    Option("pattern_definitions", "hash", default=()),
    Option("break_on_match", "boolean", True),
    Option("named_captures_only", "boolean", True),
    Option("keep_empty_captures", "boolean", False),
    Option("overwrite", "array", default=()),
    Option("target", "string"),
    Option("tag_on_failure", "array", default=("_grokparsefailure",)),
    Option("tag_on_timeout", "string", "_groktimeout"),
    Option("timeout_millis", "number", 30_000, ignored=_BOUNDED),
    Option("timeout_scope", "string", "pattern", choices=("pattern", "event"), ignored=_BOUNDED),
)

Bound = tuple[int, str | None, Callable[[str], Any] | None, Writer]
"""How a capture sets its field: the number of its group, counted from 0; the root field that its
text becomes unless the event has it, None where ``Writer`` sets it; how its text is converted. A
plain tuple, since a named one is taken apart at many times the cost."""
Attempt = Callable[[Event, str], bool]
"""Tries the expressions of one field on a text; raises RegexTimeout."""


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter.

    Raises:
        RefusedConfig: an expression is refused, or a folder of patterns cannot be read.
    """
    options = setup.options
    patterns = _patterns(setup)
    attempts = [
        _on_field(field, _attempt(_compiled(setup, texts, patterns), setup))
        for field, texts in options["match"]
    ]
    does_break, matched = options["break_on_match"], setup.matched
    failure_tags, timeout_tag = tuple(options["tag_on_failure"]), options["tag_on_timeout"]

    def grok(event: Event) -> None:
        is_matched = False
        try:
            for attempt in attempts:
                if attempt(event):
                    is_matched = True
                    if does_break:
                        break
        except RegexTimeout:
            event.tag(timeout_tag)
            return
        if is_matched:
            matched(event)
        else:
            for tag in failure_tags:
                event.tag(tag)

    return grok


def _patterns(setup: FilterSetup) -> dict[str, str]:
    options = setup.options
    found = dict(library(has_ecs=setup.has_ecs))
    for text in options["patterns_dir"]:
        folder = setup.folder / text
        paths = sorted(folder.glob(options["patterns_files_glob"])) if folder.is_dir() else [folder]
        for path in paths:
            if path.is_dir():
                continue
            try:
                found.update(read_patterns(path.read_text(encoding="utf-8")))
            except (OSError, UnicodeDecodeError) as error:
                raise options.refuse(
                    f"cannot read the patterns in {path} ({error})", "patterns_dir"
                ) from error
    return {**found, **dict(options["pattern_definitions"])}


def _compiled(setup: FilterSetup, texts: Any, patterns: dict[str, str]) -> list[Grok]:
    several = texts if isinstance(texts, list) else [texts]
    try:
        return compile_groks(
            several, patterns, named_captures_only=setup.options["named_captures_only"]
        )
    except BadPattern as error:
        refused = setup.options.refuse(str(error), "match")
        refused.is_unsupported = error.is_unsupported
        raise refused from error


def _on_field(field: str, attempt: Attempt) -> Callable[[Event], bool]:
    """Return what tries the expressions on a field; every element of a list is tried."""
    read = reader(field)

    def on_field(event: Event) -> bool:
        try:
            value = read(event)
            if isinstance(value, str):
                return attempt(event, value)
            if value is MISSING:
                return attempt(event, "")
            if isinstance(value, list):
                is_matched = False
                for one in list(value):
                    is_matched |= attempt(event, one if isinstance(one, str) else ruby_text(one))
                return is_matched
            return attempt(event, ruby_text(value))
        except RegexTimeout:
            raise
        except FieldError:
            return False

    return on_field


def _attempt(groks: Sequence[Grok], setup: FilterSetup) -> Attempt:
    keeps_empty, does_break = setup.options["keep_empty_captures"], setup.options["break_on_match"]
    bound = [
        (one.search, tuple(_bound(capture, setup) for capture in one.captures)) for one in groks
    ]

    def attempt(event: Event, text: str) -> bool:
        is_matched = False
        for search, captures in bound:
            found = search(text)
            is_matched = found is not None
            if found is None:
                continue
            groups, root = found.groups(), event.root
            for at, name, convert, put in captures:
                value = groups[at]
                if value and name is not None and root.get(name) is None:
                    root[name] = value
                elif convert is not None and value is not None:
                    put(event, convert(value))
                elif value or keeps_empty:
                    put(event, value)
            if does_break:
                return True
        return is_matched

    return attempt


def _bound(capture: Capture, setup: FilterSetup) -> Bound:
    options = setup.options
    field = capture.field
    does_overwrite = field in options["overwrite"]
    if options["target"]:
        field = _bracketed(options["target"]) + _bracketed(field)
        does_overwrite = does_overwrite or field in options["overwrite"]
    put = _setter(field, does_overwrite=does_overwrite)
    name = None if capture.convert or does_overwrite else root_key(field)
    return capture.group - 1, name, capture.convert, put


def _bracketed(field: str) -> str:
    return field if field.startswith("[") else f"[{field}]"


def _setter(field: str, *, does_overwrite: bool) -> Writer:
    try:
        reference = parse_reference(field)
    except FieldError as error:
        sentence = str(error)

        def refuse(_event: Event, _value: Value) -> None:
            raise FieldError(sentence)

        return refuse
    if does_overwrite:
        return writer(field)
    return _adder(reference)


def _adder(reference: Reference) -> Writer:
    """Return what sets a field that is not there, and appends to a text or list."""
    path = reference.path

    def add(event: Event, value: Value) -> None:
        old = event.get(reference)
        if old is MISSING or old is None:
            event.set(reference, value)
        elif isinstance(old, list):
            event.set(reference, [*old, value])
        elif isinstance(old, str):
            event.set(reference, [old, value])

    if reference.is_metadata or len(path) not in (2, 3) or path[0] in ("@timestamp", "tags"):
        return add
    # Parents are objects nearly always; these go there at a third of the cost.
    if len(path) == 2:
        return _adder_of_child(path[0], path[1], add)
    return _adder_of_grandchild(path, add)


def _adder_of_child(parent: str, name: str, otherwise: Writer) -> Writer:
    def add(event: Event, value: Value) -> None:
        holder = event.root.get(parent, MISSING)
        if type(holder) is Raw:
            holder = event.read(parent)
        if type(holder) is dict and holder.get(name) is None:
            holder[name] = value
        elif holder is MISSING:
            event.root[parent] = {name: value}
        else:
            otherwise(event, value)

    return add


def _adder_of_grandchild(path: tuple[str, ...], otherwise: Writer) -> Writer:
    first, second, name = path

    def add(event: Event, value: Value) -> None:
        outer = event.root.get(first, MISSING)
        if type(outer) is Raw:
            outer = event.read(first)
        inner = outer.get(second, MISSING) if type(outer) is dict else None
        if type(inner) is dict and inner.get(name) is None:
            inner[name] = value
        elif inner is MISSING:
            outer[second] = {name: value}
        elif outer is MISSING:
            event.root[first] = {second: {name: value}}
        else:
            otherwise(event, value)

    return add
