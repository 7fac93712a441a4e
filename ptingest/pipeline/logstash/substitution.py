"""Substitutions of ``mutate { gsub => [...] }``, with ``%{...}`` in pattern and replacement."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import Options, RefusedConfig
from ptingest.pipeline.logstash.regex import BadRegex, compile_regex
from ptingest.pipeline.logstash.sprintf import compile_template
from ptingest.pipeline.logstash.values import FieldError

Substitution = Callable[[str, Event], str]
_KNOWN_PER_EVENT = 256


def compile_substitution(options: Options, pattern: str, replacement: str) -> Substitution:
    """Compile one substitution; a pattern with ``%{...}`` is compiled when an event fills it.

    Raises:
        RefusedConfig: the pattern cannot be used.
    """
    if "%{" in pattern:
        return _per_event(pattern, replacement)
    try:
        known = compile_regex(pattern)
        if "%{" not in replacement:
            replaced = known.replacer(replacement)
            return lambda text, _event: replaced(text)
    except BadRegex as error:
        raise RefusedConfig(
            options.places["gsub"], f"mutate: gsub: {error}", is_unsupported=error.is_unsupported
        ) from None
    new = compile_template(replacement)
    return lambda text, event: known.gsub(new(event), text)


def _per_event(pattern: str, replacement: str) -> Substitution:
    expression, new = compile_template(pattern), compile_template(replacement)
    compiled = lru_cache(_KNOWN_PER_EVENT)(compile_regex)

    def substitute(text: str, event: Event) -> str:
        try:
            return compiled(expression(event)).gsub(new(event), text)
        except BadRegex as error:
            raise FieldError(str(error)) from error

    return substitute
