"""The filter ``grok``: fields out of a text, by expressions that are tried in order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ptingest.pipeline.logstash.decoration import unchanged
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import Writer, reader, writer
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
from ptingest.pipeline.logstash.source import Source, plain_path
from ptingest.pipeline.logstash.source_conditions import value_source
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


class Bound(NamedTuple):
    """How a capture sets its field."""

    group: int
    field: str
    convert: Callable[[str], Any] | None
    put: Writer
    does_overwrite: bool


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
        _on_field(field, _compiled(setup, texts, patterns), setup)
        for field, texts in options["match"]
    ]
    attempt = attempts[0] if len(attempts) == 1 else _in_turn(attempts, options["break_on_match"])
    matched, is_decorated = setup.matched, setup.matched is not unchanged
    failure_tags, timeout_tag = tuple(options["tag_on_failure"]), options["tag_on_timeout"]

    def grok(event: Event) -> None:
        try:
            is_matched = attempt(event)
        except RegexTimeout:
            event.tag(timeout_tag)
            return
        if not is_matched:
            for tag in failure_tags:
                event.tag(tag)
        elif is_decorated:
            matched(event)

    return grok


def _in_turn(
    attempts: Sequence[Callable[[Event], bool]], does_break: bool
) -> Callable[[Event], bool]:
    def attempt(event: Event) -> bool:
        is_matched = False
        for one in attempts:
            if one(event):
                is_matched = True
                if does_break:
                    break
        return is_matched

    return attempt


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


def _on_field(field: str, groks: Sequence[Grok], setup: FilterSetup) -> Callable[[Event], bool]:
    """Return what tries the expressions on a field, in straight lines where it is a text."""
    source = Source()
    source.add("try:")
    source.depth += 1
    source.add(f"text = {value_source(source, field)}", "if type(text) is not str:")
    source.add(f"    return {source.name(_on_others(field, _attempt(groks, setup)))}(event)")
    _add_expressions(source, groks, setup)
    source.depth -= 1
    source.add(f"except {source.name(RegexTimeout)}:", "    raise")
    source.add(f"except {source.name(FieldError)}:", "    return False")
    return source.function()


def _on_others(field: str, attempt: Attempt) -> Callable[[Event], bool]:
    """Return what tries the expressions on a field of any kind; each element of a list is tried."""
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
    source = Source("event, text")
    _add_expressions(source, groks, setup)
    return source.function()


def _add_expressions(source: Source, groks: Sequence[Grok], setup: FilterSetup) -> None:
    """Add what tries expressions on ``text`` in turn: a few lines for each capture.

    Where all are tried, the last one says whether the filter matched.
    """
    keeps_empty, does_break = setup.options["keep_empty_captures"], setup.options["break_on_match"]
    source.add("found = None")
    # A text that is not plain is too long for all that takes plain ones.
    source.add(f"length = len(text) if text.isascii() and '\\n' not in text else {sys.maxsize}")
    for one in groks:
        source.add(f"found = {_search(source, one)}", "if found is not None:")
        source.depth += 1
        captures = [_bound(capture, setup) for capture in one.captures]
        if captures:
            source.add(f"{_targets(captures, one.regex.groups)} = found.groups()")
        for bound in captures:
            _set_capture(source, bound, keeps_empty=keeps_empty)
        source.add("return True" if does_break else "pass")
        source.depth -= 1
    source.add("return found is not None")


def _search(source: Source, grok: Grok) -> str:
    """Return the expression of a search in ``text``."""
    plain, longest = grok.regex.plain
    usual, any_text = source.name(plain), source.name(grok.search)
    found = f"{usual}(text) if length <= {longest} else {any_text}(text)"
    needle = grok.regex.needle
    return f"({found}) if {needle!r} in text else None" if needle else found


def _targets(captures: Sequence[Bound], groups: int) -> str:
    """Return what the groups of a match are assigned to."""
    used = {bound.group for bound in captures}
    return "".join(f"g{number}, " if number in used else "_, " for number in range(1, groups + 1))


def _set_capture(source: Source, bound: Bound, *, keeps_empty: bool) -> None:
    value, put = f"g{bound.group}", source.name(bound.put)
    path = plain_path(bound.field)
    source.add(f"if {value}:" if bound.convert is None else f"if {value} is not None:")
    source.depth += 1
    if bound.convert is not None:
        source.add(f"{value} = {source.name(bound.convert)}({value})")
    otherwise = f"{put}(event, {value})"
    if bound.does_overwrite or path is None or path[0] in ("@timestamp", "tags"):
        source.add(otherwise)
    elif len(path) == 1:
        source.add(f"if root.get({path[0]!r}) is None:", f"    root[{path[0]!r}] = {value}")
        source.add("else:", f"    {otherwise}")
    else:
        source.set_below(path, value, otherwise, adds=True)
    source.depth -= 1
    if keeps_empty:
        source.add("else:", f"    {put}(event, {value})")


def _bound(capture: Capture, setup: FilterSetup) -> Bound:
    options = setup.options
    field = capture.field
    does_overwrite = field in options["overwrite"]
    if options["target"]:
        field = _bracketed(options["target"]) + _bracketed(field)
        does_overwrite = does_overwrite or field in options["overwrite"]
    put = _setter(field, does_overwrite=does_overwrite)
    return Bound(capture.group, field, capture.convert, put, does_overwrite)


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

    def add(event: Event, value: Value) -> None:
        old = event.get(reference)
        if old is MISSING or old is None:
            event.set(reference, value)
        elif isinstance(old, list):
            event.set(reference, [*old, value])
        elif isinstance(old, str):
            event.set(reference, [old, value])

    return add
