"""Regular expressions of a config: Ruby's syntax and meaning, in a bounded time for every text.

    compile_regex(text) --> Regex    search, is_match, finditer, gsub

Joni's expressions are parsed here (``onigmo/``) and written again for three engines:

- Python's ``re``, for texts so short, or with so few delimiters, that its steps are proven to be
  few;
- the package ``regex`` for longer texts and for what ``re`` does not know, for a limited time;
- RE2 once that time was not enough: it gives the same answer where it can run the expression.
  Else a wider expression is searched for that RE2 can run; where that is not found, the
  expression itself is not.

What is left is ``RegexTimeout``: the wider expression matches, and nobody knows about the
expression. From the first time on RE2 is asked first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import Any

import regex

from ptingest.pipeline.logstash.onigmo import python_text, sets
from ptingest.pipeline.logstash.onigmo.facts import needle
from ptingest.pipeline.logstash.onigmo.found import Found
from ptingest.pipeline.logstash.onigmo.parse import parse
from ptingest.pipeline.logstash.onigmo.re2_engine import Re2, re2_or_none
from ptingest.pipeline.logstash.onigmo.replacement import compile_replacement
from ptingest.pipeline.logstash.onigmo.tree import At, BadRegex, Parsed, Place, Sequence
from ptingest.pipeline.logstash.values import FieldError
from ptingest.settings.characters import every_character, joined
from ptingest.settings.linear import Growth, NotProven, growth

__all__ = ["BadRegex", "Found", "Regex", "RegexTimeout", "compile_regex"]

STEPS_MOST = 1 << 21
"""Steps of Python's ``re`` for one text, a fortieth of a second; nothing is learned from them."""
POWER_MOST = 3
MARKS_POWER_MOST = 3
"""Above this no usual text has so few marks that it matters."""
FIRST_SECONDS = 0.1
"""Time for the package ``regex``, until it once was not enough."""
LATER_SECONDS = 0.01


class RegexTimeout(FieldError):
    """No engine could tell in a bounded time whether an expression matches a text."""


def compile_regex(text: str, *, dot_matches_newline: bool = False) -> Regex:
    """Compile an expression in Ruby's syntax; ``dot_matches_newline`` is Ruby's option m.

    Raises:
        BadRegex: Logstash refuses it, or it cannot be run here (``is_unsupported``); the text
            says why.
    """
    try:
        return Regex(text, parse(text, dot_takes_newline=dot_matches_newline))
    except BadRegex as error:
        said = f"regular expression /{text}/: {error}"
        raise BadRegex(said, is_unsupported=error.is_unsupported) from error


class Regex:
    """A compiled expression. All searches raise ``RegexTimeout``."""

    def __init__(self, text: str, parsed: Parsed) -> None:
        self.text = text
        self.names = parsed.names
        """The numbers of the groups of each name, in the order of the expression."""
        self.groups = parsed.groups
        self._parsed = parsed
        self._usual = _Engines(parsed, spells_words=False)
        self.needle = self._usual.needle
        """A text that every match holds; empty when none is known."""
        self.plain = self._usual.plain
        """What searches a plain text, and how long that may be: one in ASCII, in one line."""
        self.search: Callable[..., Found | None] = self._usual.search
        """Takes a text and the place to begin at; returns the first match."""
        if python_text.has_word_edges(parsed):
            self.search = self._search_words

    def is_match(self, text: str) -> bool:
        return self.search(text) is not None

    def finditer(self, text: str) -> Iterator[Found]:
        """Return the matches that do not overlap, as Ruby's ``scan`` and ``gsub`` find them."""
        return self._engines(text).finditer(text)

    def replacer(self, replacement: str) -> Callable[[str], str]:
        """Return a function that replaces all matches in a text.

        Raises:
            BadRegex: the replacement names a group that is not there.
        """
        made = compile_replacement(replacement, self.names, self.groups)

        def replaced(text: str) -> str:
            if self.search(text) is None:
                return text
            pieces, at = [], 0
            for found in self.finditer(text):
                pieces += [text[at : found.start()], made(found, text)]
                at = found.end()
            return "".join([*pieces, text[at:]])

        return replaced

    def gsub(self, replacement: str, text: str) -> str:
        """Replace all matches; ``replacer`` is for those who do it again and again."""
        return self.replacer(replacement)(text)

    def _search_words(self, text: str, start: int = 0) -> Found | None:
        return (self._usual if text.isascii() else self._engines(text)).search(text, start)

    def _engines(self, text: str) -> _Engines:
        if text.isascii() or self.search == self._usual.search or not _has_odd(text):
            return self._usual
        return self._spelled

    @cached_property
    def _spelled(self) -> _Engines:
        return _Engines(self._parsed, spells_words=True)


_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_LAST_NEAR = 0xFFFF


def _has_odd(text: str) -> bool:
    """Whether a character counts to words in Ruby and not in the engines here, or vice versa."""
    near, beyond = _odd()
    return bool(near.search(text) or beyond.search("".join(_BEYOND.findall(text))))


@cache
def _odd() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what finds such characters: those below U+10000, and the others.

    Python's engine has a table for a set of the former, and goes through the ranges of the
    latter one by one.
    """
    every = every_character()
    apart = []
    for module in (re, regex):
        word = tuple((run.start(), run.end() - 1) for run in module.finditer(r"\w+", every))
        apart += [sets.without(word, sets.word_of_all()), sets.without(sets.word_of_all(), word)]
    odd = joined(apart)
    beyond = sets.without(odd, ((0, _LAST_NEAR),))
    near = sets.without(odd, beyond)
    return re.compile(python_text.written_set(near)), re.compile(python_text.written_set(beyond))


class _Engines:
    """The engines for one expression; what is seldom needed is compiled when it is."""

    def __init__(self, parsed: Parsed, *, spells_words: bool) -> None:
        written = python_text.write(parsed, spells_words=spells_words)
        self._text = written.text
        self._parsed, self._spells_words = parsed, spells_words
        self.needle = needle(parsed.root)
        self._is_slow = False
        self._growth: Growth | None = None
        self._scale = 0.0
        self._search_most = self._line_most = -1
        self._beginning = _beginning(parsed)
        if written.needs_regex:
            self._compiled: Any = self._regex
            return
        self._compiled = _compiled_by(re, written.text)
        self._search, self._match = self._compiled.search, self._compiled.match
        try:
            grows = growth(written.text, power=POWER_MOST)
        except NotProven:
            return
        power, ways, _, marks_power = grows
        if marks_power > MARKS_POWER_MOST:
            return
        # Each power is a place in the text, and each place is behind the one before.
        self._growth = grows
        self._scale = ways / math.factorial(power) / math.factorial(marks_power)
        # As if every character were a mark: what is shorter need not be counted.
        power += marks_power
        self._search_most = _longest(power + (self._beginning is not Place.TEXT_START), ways)
        if self._beginning is Place.LINE_START:
            self._line_most = _longest(power, ways)

    @property
    def plain(self) -> tuple[Callable[[str], Found | None], int]:
        """As ``Regex.plain``."""
        if self._line_most > self._search_most:
            return self._match, self._line_most
        return (self.search if self._search_most < 0 else self._search), self._search_most

    def search(self, text: str, start: int = 0) -> Found | None:
        if self.needle not in text:
            return None
        length = len(text) - start
        if length <= self._line_most and "\n" not in text:
            return None if start else self._match(text)
        return self._search(text, start) if length <= self._search_most else self._long(text, start)

    def finditer(self, text: str) -> Iterator[Found]:
        if self.needle not in text:
            return iter(())
        length = len(text)
        if length <= self._search_most or self._steps(text, length) * length <= STEPS_MOST:
            return self._compiled.finditer(text)  # type: ignore[no-any-return]
        return self._finditer_long(text)

    def _finditer_long(self, text: str) -> Iterator[Found]:
        if not self._is_slow:
            try:
                yield from list(self._regex.finditer(text, timeout=FIRST_SECONDS))
                return
            except TimeoutError:
                self._is_slow = True
        start = 0
        while start <= len(text):
            found = self._slow(text, start)
            if found is None:
                return
            yield found
            start = found.end() + (found.end() == found.start())

    def _long(self, text: str, start: int) -> Found | None:
        length = len(text) - start
        steps = self._steps(text, length)
        if steps <= STEPS_MOST:
            if self._beginning is Place.LINE_START and steps * text.count("\n") <= STEPS_MOST:
                return self._search_lines(text, start)
            if self._beginning is None and steps * length <= STEPS_MOST:
                return self._search(text, start)  # type: ignore[no-any-return]
            found: Found | None = self._match(text, start)
            if found is not None or self._beginning is Place.TEXT_START:
                return found
        if not self._is_slow:
            try:
                return self._regex.search(text, start, timeout=FIRST_SECONDS)  # type: ignore[no-any-return]
            except TimeoutError:
                self._is_slow = True
        return self._slow(text, start)

    def _steps(self, text: str, length: int) -> float:
        """Return how many steps a match at one place of this text takes at most."""
        if self._growth is None:
            return math.inf
        power, _, marks, marks_power = self._growth
        steps: float = self._scale * length**power
        if marks_power:
            steps *= (_count(text, marks) + 1) ** marks_power
        return steps

    def _search_lines(self, text: str, start: int) -> Found | None:
        """Try the places where a line begins."""
        at = 0 if start == 0 else text.find("\n", start - 1) + 1 or len(text) + 1
        found: Found | None = None
        while found is None and at <= len(text):
            found = self._match(text, at)
            at = text.find("\n", at) + 1 or len(text) + 1
        return found

    def _slow(self, text: str, start: int) -> Found | None:
        exact = self._exact
        if exact is not None and len(text) <= exact.longest:
            return exact.search(text, start)
        wider = self._wider
        if wider is not None and len(text) <= wider.longest and not wider.has_match(text, start):
            return None
        try:
            return self._regex.search(text, start, timeout=LATER_SECONDS)  # type: ignore[no-any-return]
        except TimeoutError:
            raise RegexTimeout("a regular expression takes too long for this text") from None

    @cached_property
    def _regex(self) -> Any:
        return _compiled_by(regex, self._text)

    @cached_property
    def _exact(self) -> Re2 | None:
        return None if self._compiled is self._regex else re2_or_none(self._text)

    @cached_property
    def _wider(self) -> Re2 | None:
        relaxed = python_text.write_relaxed(self._parsed, spells_words=self._spells_words)
        return re2_or_none(relaxed)


def _count(text: str, marks: str) -> int:
    """Return how many of the characters are marks."""
    if len(marks) == 1 or not text.isascii():
        return sum(map(text.count, marks))
    # Twice as fast as counting one mark after the other.
    return len(text) - len(text.encode().translate(None, marks.encode()))


def _longest(power: int, ways: int) -> int:
    """Return the length of a text for which the steps are few."""
    return int((STEPS_MOST * math.factorial(power) / ways) ** (1 / power))


def _compiled_by(module: Any, text: str) -> Any:
    try:
        return module.compile(text)
    except (re.error, regex.error, RecursionError, OverflowError) as error:
        raise BadRegex(f"Python cannot run it ({error})", is_unsupported=True) from error


def _beginning(parsed: Parsed) -> Place | None:
    """Return where alone a match may begin: at the start of the text, or of a line."""
    node = parsed.root
    while isinstance(node, Sequence) and node.parts:
        node = node.parts[0]
    places = (Place.TEXT_START, Place.LINE_START)
    return node.place if isinstance(node, At) and node.place in places else None
