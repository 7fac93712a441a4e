"""A user's expression, compiled so that its time is bounded for every text.

    compile_expression(text) --> Expression --match(message)--> captures or None

Python's own engine runs an expression that is proven to take a time linear in the message; RE2,
which always does, runs one that it can run with the same meaning; any other is refused here and
is never run. All code that accepts expressions from people uses this module.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from ptingest.settings.linear import NotProven, prove
from ptingest.settings.translated import Translation, Untranslatable, translated

RE2_BYTES = 4 << 20
"""Memory that RE2 may use for one expression; a larger program is refused."""
RE2_STEPS = 1 << 26
"""Instructions of a program times characters of a message, at 12 ns each: keeps one message
under a second."""
_SHOWN_MOST = 200


class Expression(Protocol):
    """A compiled expression, matched at the start of a message."""

    engine: str
    """``re`` or ``re2``."""
    why: str
    """Why Python's own engine does not run it; empty when it does."""
    fields: tuple[str, ...]
    """Its named groups."""
    longest: int | None
    """Characters of the longest message that is tried; a longer one does not match."""

    def match(self, message: str) -> dict[str, str] | None:
        """Return the named groups that took part and are not empty, None when it does not
        match."""
        ...


def compile_expression(text: str) -> Expression:
    """Compile a user's expression.

    Raises:
        ValueError: it is not an expression, or only backtracking can run it; the text says
            what is wrong and how to change it.
    """
    try:
        compiled = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        cause = str(error) or type(error).__name__
        raise ValueError(f"regex {_shown(text)} does not compile: {cause}; mend it") from error
    try:
        prove(text)
    except NotProven as why:
        return _with_re2(text, str(why))
    return _Proven(compiled)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_MOST else f"{text[:_SHOWN_MOST]}...")


def _with_re2(text: str, why: str) -> Expression:
    try:
        return _Re2(translated(text), why)
    except Untranslatable as error:
        raise ValueError(
            f"regex {_shown(text)} may take for ever on some lines ({why}), and RE2, which never "
            f"does, cannot run it: it {error}; write it without, or let each repeat end at a "
            "character that it does not take itself: `[^,]*,` instead of `.*,`"
        ) from error


class _Proven:
    """Runs on Python's engine."""

    engine, why = "re", ""
    longest: int | None = None

    def __init__(self, compiled: re.Pattern[str]) -> None:
        self._match = compiled.match
        self.fields = tuple(compiled.groupindex)

    def match(self, message: str) -> dict[str, str] | None:
        found = self._match(message)
        if found is None:
            return None
        return {field: text for field, text in found.groupdict().items() if text}


class _Re2:
    """Runs on RE2, over symbols."""

    engine = "re2"

    def __init__(self, translation: Translation, why: str) -> None:
        self.why = why
        compiled = compile_re2(translation.text)
        self._match = compiled.match
        self.longest: int | None = RE2_STEPS // compiled.programsize
        self._encoded, self._groups = translation.alphabet.encoded, translation.fields
        self._ends = translation.ends
        self.fields = tuple(name for name, _ in translation.fields)

    def match(self, message: str) -> dict[str, str] | None:
        if self.longest is not None and len(message) > self.longest:
            return None
        found = self._match(self._encoded(message))
        if found is None:
            return None
        # The newline that $ matched before the end of the text is not part of any field.
        end = min((found.start(group) for group in self._ends if found.end(group) >= 0), default=-1)
        captures: dict[str, str] = {}
        for field, group in self._groups:
            start, stop = found.span(group)
            text = message[start : min(stop, end) if end >= 0 else stop] if start >= 0 else ""
            if text:
                captures[field] = text
        return captures


def compile_re2(text: str) -> Any:
    """Compile what ``translated`` wrote.

    Raises:
        Untranslatable: the program would be too large.
    """
    import re2  # takes a hundredth of a second, and most profiles need none

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = RE2_BYTES
    options.log_errors = False
    try:
        return re2.compile(text.encode("ascii"), options)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        cause = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise Untranslatable(f"is too large ({cause})") from error
