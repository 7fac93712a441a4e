"""Substitutions of ``mutate { gsub => [...] }``: patterns and replacements as Ruby has them."""

from __future__ import annotations

import re
from collections.abc import Callable

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import Options
from ptingest.pipeline.logstash.sprintf import compile_template

Substitution = Callable[[str, Event], str]
_REFERENCE = re.compile(r"\\(?:([0-9&'`\\])|k<([^>]*)>)")


def compile_substitution(options: Options, pattern: str, replacement: str) -> Substitution:
    """Compile one substitution.

    Raises:
        RefusedConfig: the pattern cannot be used.
    """
    try:
        known = re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise options.refuse(f"gsub: the pattern {pattern!r}: {error}", "gsub") from None
    template = compile_template(replacement)

    def substitute(text: str, event: Event) -> str:
        new = template(event)
        if "\\" not in new:
            return known.sub(lambda _found: new, text)
        return known.sub(lambda found: _REFERENCE.sub(lambda part: _filled(part, found), new), text)

    return substitute


def _filled(part: re.Match[str], found: re.Match[str]) -> str:
    kind, name = part[1], part[2]
    try:
        if name is not None:
            return found[name] or ""
        if kind == "\\":
            return "\\"
        if kind == "'":
            return found.string[found.end() :]
        if kind == "`":
            return found.string[: found.start()]
        return found[0 if kind == "&" else int(kind)] or ""
    except IndexError:
        return ""
