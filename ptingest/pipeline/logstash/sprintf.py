"""Texts with ``%{...}``: fields, times of the event, the clock.

``%{field}`` and ``%{[a][b]}`` are fields (left as they are where missing or null),
``%{+yyyy.MM.dd}`` is the event's time in Joda's letters, ``%{{yyyy-MM-dd}}`` in those of
``java.time``. A template is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import reader
from ptingest.pipeline.logstash.field_reference import Reference, parse_reference
from ptingest.pipeline.logstash.java_time import compile_java_time
from ptingest.pipeline.logstash.joda import compile_joda, joda_parts
from ptingest.pipeline.logstash.values import (
    NANOS,
    FieldError,
    Timestamp,
    Value,
    java_text,
    json_text,
)

Template = Callable[[Event], str]
_DAILY = frozenset(["", *"GCyYxwMdDeE"])
"""Joda's letters that are the same all day; empty for text between them."""
_DAY = 86_400 * NANOS


def compile_template(text: str) -> Template:
    """Compile a text; the result gives the text for an event.

    The result raises FieldError when a reference in it is malformed, or a letter of a time
    format is none: not at compile time, as Logstash does.
    """
    if "%{" not in text:
        return lambda _event: text
    parts = _parts(text)
    if len(parts) == 1:
        return parts[0]

    def joined(event: Event) -> str:
        return "".join([part(event) for part in parts])

    return joined


def compile_lenient(text: str) -> Template:
    """Compile a text that stays as it is written where a reference in it is malformed."""
    template = compile_template(text)
    if "%{" not in text:
        return template

    def lenient(event: Event) -> str:
        try:
            return template(event)
        except FieldError:
            return text

    return lenient


def compile_reference(text: str) -> Callable[[Event], Reference]:
    """Compile the name of a field that may hold ``%{...}``; a bad one raises when it is used."""
    if "%{" not in text:
        return known_reference(text)
    template = compile_template(text)
    return lambda event: parse_reference(template(event))


def known_reference(text: str) -> Callable[[Event], Reference]:
    """Parse the name of a field, taken literally; a bad one raises when it is used."""
    try:
        known = parse_reference(text)
    except FieldError:
        return lambda _event: parse_reference(text)
    return lambda _event: known


def field_text(value: Value) -> str:
    """The text of a field's value in a template: lists joined by commas, objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return json_text(value)
    if isinstance(value, list):
        return ",".join(map(_element_text, value))
    return java_text(value)


def _element_text(value: Value) -> str:
    if isinstance(value, list):
        return field_text(value)
    return "" if value is None else java_text(value)


def _parts(text: str) -> list[Template]:
    parts: list[Template] = []
    at = 0
    while (begin := text.find("%{", at)) >= 0:
        is_java_time = text.startswith("{", begin + 2)
        closing = "}}" if is_java_time else "}"
        end = text.find(closing, begin + 2)
        if end < 0:
            break
        if begin > at:
            parts.append(_literal(text[at:begin]))
        at = end + len(closing)
        name = text[begin + 2 + is_java_time : end]
        parts.append(_java_time(name) if is_java_time else _part(name, text[begin:at]))
    if at < len(text):
        parts.append(_literal(text[at:]))
    return parts


def _literal(text: str) -> Template:
    return lambda _event: text


def _part(name: str, whole: str) -> Template:
    if name in ("", "+", "+%s"):
        return _epoch_seconds
    if name.startswith("+"):
        return _time(name[1:], compile_joda)
    read = reader(name)

    def field(event: Event) -> str:
        value = read(event)
        if value is MISSING or value is None:
            return whole
        return value if type(value) is str else field_text(value)

    return field


def _failing(sentence: str) -> Template:
    def fail(_event: Event) -> str:
        raise FieldError(sentence)

    return fail


def _epoch_seconds(event: Event) -> str:
    moment = event.timestamp
    return "" if moment is None else str(moment.ns // NANOS)


def _time(pattern: str, compiled: Callable[[str], Callable[[Timestamp], str]]) -> Template:
    try:
        write = compiled(pattern)
    except ValueError as error:
        return _failing(str(error))
    if compiled is compile_joda and {part.letter for part in joda_parts(pattern)} <= _DAILY:
        write = _once_a_day(write)

    def time(event: Event) -> str:
        moment = event.timestamp
        return "" if moment is None else write(moment)

    return time


def _once_a_day(write: Callable[[Timestamp], str]) -> Callable[[Timestamp], str]:
    """Keep the last text: dated names are the most frequent use."""
    known_day, known = -1, ""

    def text(moment: Timestamp) -> str:
        nonlocal known_day, known
        day = moment.ns // _DAY
        if day != known_day:
            known_day, known = day, write(moment)
        return known

    return text


def _java_time(pattern: str) -> Template:
    if pattern == "TIME_NOW":
        return lambda event: str(Timestamp(event.now_ns))
    return _time(pattern, compile_java_time)
