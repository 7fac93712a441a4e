"""The filter ``prune``: fields go by their names, or by their values."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.regex import BadRegex, Regex, compile_regex
from ptingest.pipeline.logstash.sprintf import compile_template
from ptingest.pipeline.logstash.values import FieldError, Value, ruby_text

OPTIONS = (
    Option("interpolate", "boolean", False),
    Option("whitelist_names", "array", []),
    Option("blacklist_names", "array", ["%\\{[^}]+\\}"]),
    Option("whitelist_values", "hash", []),
    Option("blacklist_values", "hash", []),
)
Expression = Callable[[Event], Regex]
_KNOWN_PER_EVENT = 1000


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; only fields at the top have names and values here."""
    options, matched = setup.options, setup.matched
    wanted, unwanted = _names(options, "whitelist_names"), _names(options, "blacklist_names")
    rules = [*_values(options, "whitelist_values"), *_values(options, "blacklist_values")]

    def prune(event: Event) -> None:
        gone: set[str] = set()
        fields = event.fields
        cut: list[tuple[str, list[Value]]] = []
        for names, is_wanted in ((wanted, True), (unwanted, False)):
            if names:
                own = [one(event) for one in names]
                gone.update(
                    name for name in fields
                    if any(one.is_match(name) for one in own) is not is_wanted
                )  # fmt: skip
        for key, expression, is_wanted in rules:
            name = key(event)
            kept = _kept(fields.get(name), expression(event), is_wanted=is_wanted)
            if kept is None:
                gone.add(name)
            elif isinstance(kept, list):
                cut.append((name, kept))
        for name, values in cut:
            fields[name] = values
        for name in gone:
            fields.pop(name, None)
        matched(event)

    return prune


def _kept(value: Value, expression: Regex, *, is_wanted: bool) -> Value:
    """Return the elements of a list that stay, None when nothing stays, else ``...``."""
    if value is None or value is False:
        return ...
    if isinstance(value, list):
        kept = [one for one in value if _is_match(one, expression) is is_wanted]
        return ... if len(kept) == len(value) else kept or None
    return ... if _is_match(value, expression) is is_wanted else None


def _is_match(value: Value, expression: Regex) -> bool:
    if not isinstance(value, str):
        raise FieldError(f"prune: {ruby_text(value)} is no text, so no expression can be tried")
    return expression.is_match(value)


def _names(options: Options, option: str) -> list[Expression]:
    return [_expression(options, str(text), option) for text in options[option]]


def _values(options: Options, option: str) -> list[tuple[Callable[[Event], str], Expression, bool]]:
    return [
        (
            compile_template(key) if options["interpolate"] else _constant(key),
            _expression(options, str(text), option),
            option.startswith("white"),
        )
        for key, text in options[option]
    ]


def _constant(key: str) -> Callable[[Event], str]:
    return lambda _event: key


def _expression(options: Options, text: str, option: str) -> Expression:
    if options["interpolate"] and "%{" in text:
        return _per_event(text)
    try:
        compiled = compile_regex(text)
    except BadRegex as error:
        raise options.refuse(str(error), option, is_unsupported=error.is_unsupported) from error
    return lambda _event: compiled


def _per_event(text: str) -> Expression:
    template = compile_template(text)
    compiled = lru_cache(_KNOWN_PER_EVENT)(compile_regex)

    def expression(event: Event) -> Regex:
        try:
            return compiled(template(event))
        except BadRegex as error:
            raise FieldError(str(error)) from error

    return expression
