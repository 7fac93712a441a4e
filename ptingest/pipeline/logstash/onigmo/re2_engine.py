"""RE2 as an engine for expressions that were written for Python."""

from __future__ import annotations

from ptingest.pipeline.logstash.onigmo.found import SpannedMatch
from ptingest.settings.expression import compile_re2
from ptingest.settings.translated import Untranslatable, translated

STEPS_MOST = 1 << 24
"""Instructions of a program times characters of a text, at 12 ns each: a fifth of a second."""


class Re2:
    """Searches in a time linear in the text."""

    def __init__(self, text: str) -> None:
        """Compile the expression.

        Raises:
            Untranslatable: RE2 cannot run it with the same meaning.
        """
        translation = translated(text)
        compiled = compile_re2(translation.text)
        self._search, self._encoded = compiled.search, translation.alphabet.encoded
        self._groups = [group for _, group in translation.fields]
        self._ends = translation.ends
        self.longest = STEPS_MOST // max(1, compiled.programsize)
        """Characters of the longest text that it may be given."""

    def search(self, text: str, start: int = 0) -> SpannedMatch | None:
        found = self._search(self._encoded(text), start)
        if found is None:
            return None
        spans = [found.span(group) for group in (0, *self._groups)]
        for group in self._ends:
            # The newline that $ matched before the end of the text is not part of the match.
            end = found.start(group)
            if end >= 0:
                spans = [(first, min(last, end)) for first, last in spans]
        return SpannedMatch(text, spans)

    def has_match(self, text: str, start: int = 0) -> bool:
        return self._search(self._encoded(text), start) is not None


def re2_or_none(text: str) -> Re2 | None:
    """Return the engine, None where RE2 cannot run the expression."""
    try:
        return Re2(text)
    except Untranslatable:
        return None
