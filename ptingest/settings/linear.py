"""Proves that Python's own engine runs an expression in a time linear in the text.

The engine tries alternatives one after another. The time stays linear when the next character
decides each choice, except for choices that are few and fixed in number, and for one repeat
whose rest is short or cannot fail. From the end to the beginning, the proof records for each
rest of the expression which characters it may begin with, and what it costs to find that it
does not match. A group repeated without a bound is not proven: the engine keeps some hundred
bytes for each repetition.

The proof is conservative: an expression that it refuses may still be linear, one that it
accepts is. ``growth`` goes on where ``prove`` refuses, and tells the power instead. Where what
follows a repeat begins with one of few characters, as in ``.*?,``, the rest is tried where these
stand and nowhere else: ``growth`` counts such places apart, since a text has few.
"""

from __future__ import annotations

from collections.abc import Sequence
from re import _constants as codes
from re import _parser
from typing import Any, NamedTuple

from ptingest.settings.characters import (
    ALL,
    NONE,
    ONE_CHARACTER,
    Characters,
    Node,
    are_apart,
    characters,
    flags_within,
    joined,
)

WAYS_MOST = 1024
"""How often a rest may be tried because of choices that are few and fixed in number."""
GROWING_WAYS_MOST = 1 << 20
"""The same, for callers that bound the length of the text."""
TURNS_MOST = 32
"""Repetitions up to which a repeat counts as short."""
MARKS_MOST = 4
"""Different characters that are marks for one repeat."""
STEPS_MOST = 20_000
"""Nodes that the proof visits; each repetition of a short repeat counts."""


_TEXT_ENDS = (codes.AT_END, codes.AT_END_STRING)


class NotProven(Exception):
    """The proof fails; the text says why."""


class _Cost(NamedTuple):
    """What the steps grow with: powers of the text's length, and of how many marks it has."""

    length: int = 0
    """0 is bounded, 1 is linear."""
    marks: int = 0


_FREE, _LINEAR = _Cost(), _Cost(1)


def _worst(*costs: _Cost) -> _Cost:
    return _Cost(max(one.length for one in costs), max(one.marks for one in costs))


class _Rest(NamedTuple):
    """Facts about an expression from some place to its end."""

    first: Characters = NONE
    """The characters that it may begin with."""
    is_sure: bool = True
    """It always matches."""
    ends_text: bool = True
    """It always matches at the end of the text."""
    entry: _Cost = _FREE
    """Cost of finding that the text begins otherwise: more than 0 only when it looks around."""
    cost: _Cost = _FREE
    """Cost of a try, whatever its result is."""
    failure: _Cost = _FREE
    """Cost of a try that fails."""
    ways: int = 1
    """How often its end may be tried, because of choices that the next character does not
    decide."""


_END = _Rest()


def prove(expression: str) -> None:
    """Return when matching at the start of a text takes a time linear in its length.

    Raises:
        NotProven: with the reason.
    """
    tree = _parser.parse(expression)
    _Proof().rest_of(tree, tree.state.flags, _END)


class Growth(NamedTuple):
    """How the time of matching at the start of a text grows: ``ways`` times length to the
    ``power`` times the number of marks to the ``marks_power``, at most."""

    power: int
    ways: int
    marks: str = ""
    """The characters of which each is a mark wherever it stands in the text."""
    marks_power: int = 0


def growth(expression: str, *, power: int) -> Growth:
    """Return how the time of matching grows, for callers that bound the length of the text.

    Other than ``prove`` it follows groups that are repeated without a bound.

    Raises:
        NotProven: it grows faster than with that power, or is not known.
    """
    tree = _parser.parse(expression)
    proof = _Proof(power=power, is_growth=True)
    whole = proof.rest_of(tree, tree.state.flags, _END)
    length, marks = whole.cost
    return Growth(max(1, length), whole.ways, "".join(sorted(proof.marks)) if marks else "", marks)


class _Proof:
    """One proof; the number of visited nodes is bounded."""

    def __init__(self, *, power: int = 1, is_growth: bool = False) -> None:
        self._steps = 0
        self._power, self._is_growth = power, is_growth
        self._ways = GROWING_WAYS_MOST if is_growth else WAYS_MOST
        self.marks: set[str] = set()
        self._is_in_group = False
        """Inside of a group that is repeated without a bound."""

    def rest_of(self, nodes: Sequence[Node], flags: int, rest: _Rest) -> _Rest:
        for node in reversed(nodes):
            self._steps += 1
            rest = self._before(node, flags, rest)
            if rest.cost.length > self._power:
                raise NotProven("what follows a repeat may begin as what is repeated")
            if rest.ways > self._ways or self._steps > STEPS_MOST:
                raise NotProven("too many choices are not told by the next character")
        return rest

    def _before(self, node: Node, flags: int, rest: _Rest) -> _Rest:
        code, argument = node
        if code in ONE_CHARACTER:
            return rest._replace(
                first=characters(node, flags), is_sure=False, ends_text=False, entry=_FREE
            )
        if code is codes.AT:
            ends_text = rest.ends_text and argument in _TEXT_ENDS
            return rest._replace(is_sure=False, ends_text=ends_text)
        if code is codes.SUBPATTERN:
            _, added, removed, inner = argument
            return self.rest_of(inner, flags_within(flags, added, removed), rest)
        if code is codes.BRANCH:
            return _any_of([self.rest_of(way, flags, rest) for way in argument[1]])
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self._repeat(argument, flags, rest, is_greedy=code is codes.MAX_REPEAT)
        if code is codes.ATOMIC_GROUP:
            return self._at_once(argument, flags, rest, is_empty=argument.getwidth()[0] == 0)
        if code is codes.POSSESSIVE_REPEAT:
            is_empty = argument[0] == 0 or argument[2].getwidth()[0] == 0
            return self._at_once([(codes.MAX_REPEAT, argument)], flags, rest, is_empty=is_empty)
        if code in (codes.ASSERT, codes.ASSERT_NOT):
            seen = self.rest_of(argument[1], flags, _END)
            if self._is_in_group and seen.cost != _FREE:
                raise NotProven("a repeated group looks further than a bounded text")
            return _Rest(
                rest.first,
                False,
                False,
                _worst(rest.entry, seen.cost),
                _worst(rest.cost, seen.cost),
                _worst(rest.failure, seen.cost),
                rest.ways * seen.ways,
            )
        raise NotProven("it refers back to a group")

    def _repeat(self, argument: Any, flags: int, rest: _Rest, *, is_greedy: bool) -> _Rest:
        least, most, body = argument
        if not _is_one_character(body):
            return self._repeated_group(argument, flags, rest)
        once = self.rest_of(body, flags, _END).first
        is_whole = self._is_growth and is_greedy and once == ALL and most is codes.MAXREPEAT
        if is_whole and rest.ends_text:
            # It takes the text to its end, where the rest matches.
            rest = rest._replace(is_sure=True)
        if not rest.is_sure and most <= TURNS_MOST:
            is_decided = are_apart(once, rest.first)
            if not is_decided or (most == 1 and self._is_growth):
                return rest._replace(
                    first=joined((once, rest.first)) if least == 0 else once,
                    ends_text=least == 0 and rest.ends_text,
                    entry=rest.entry if least == 0 else _FREE,
                    ways=rest.ways * (1 if is_decided else most - least + 1),
                )
        return self._without_bound(once, rest, is_optional=least == 0)

    def _without_bound(self, once: Characters, rest: _Rest, *, is_optional: bool) -> _Rest:
        """Return the facts of a repeat whose every turn begins so."""
        first = joined((once, rest.first)) if is_optional else once
        entry = rest.entry if is_optional else _FREE
        ends_text = is_optional and rest.ends_text
        if rest.is_sure:
            cost = _worst(_LINEAR, rest.cost)
            return _Rest(first, is_optional, ends_text, entry, cost, _FREE, rest.ways)
        failure = _worst(_LINEAR, self._failures(once, rest), rest.failure)
        cost = _worst(failure, rest.cost)
        return _Rest(first, False, ends_text, entry, cost, failure, rest.ways)

    def _failures(self, once: Characters, rest: _Rest) -> _Cost:
        """Return what all tries of the rest cost, one behind each repetition."""
        entries = rest.entry._replace(length=rest.entry.length + 1)
        if are_apart(once, rest.first):
            return entries
        marks = _few(rest.first) if self._is_growth and rest.failure.length else ""
        if marks:
            self.marks.update(marks)
            failures = rest.failure._replace(marks=rest.failure.marks + 1)
        else:
            failures = rest.failure._replace(length=rest.failure.length + 1)
        return _worst(entries, failures)

    def _repeated_group(self, argument: Any, flags: int, rest: _Rest) -> _Rest:
        """Visit each repetition separately."""
        least, most, body = argument
        if most > TURNS_MOST and self._is_growth:
            return self._endless_group(argument, flags, rest)
        if most > TURNS_MOST:
            raise NotProven(f"it repeats a group, without a bound or over {TURNS_MOST} times")
        turn = rest
        for number in range(most):
            more = self.rest_of(body, flags, turn)
            turn = _any_of([more, rest]) if number < most - least else more
        return turn

    def _endless_group(self, argument: Any, flags: int, rest: _Rest) -> _Rest:
        """Visit the body once, as if any repetition or the rest came after it.

        Each repetition must match in one way only: then the engine goes back over whole
        repetitions, and what each of them read is read a bounded number of times.
        """
        least, _, body = argument
        if body.getwidth()[0] == 0:
            raise NotProven("it repeats a group that may be empty")
        outside, self._is_in_group = self._is_in_group, True
        once = self.rest_of(body, flags, _END).first
        again = _Rest(joined((once, rest.first)), False, False, _FREE, _LINEAR, _LINEAR)
        turn = self.rest_of(body, flags, again)
        self._is_in_group = outside
        if turn.ways > 1 or turn.cost != _LINEAR or turn.entry != _FREE:
            raise NotProven("it repeats a group that matches one text in several ways")
        if rest.is_sure and least:
            rest = rest._replace(is_sure=False)
        return self._without_bound(once, rest, is_optional=least == 0)

    def _at_once(self, body: Sequence[Node], flags: int, rest: _Rest, *, is_empty: bool) -> _Rest:
        """Visit a part that is matched once and never given back."""
        alone = self.rest_of(body, flags, _END)
        return _Rest(
            joined((alone.first, rest.first)) if is_empty else alone.first,
            alone.is_sure and rest.is_sure,
            False,
            _worst(alone.entry, rest.entry if is_empty else _FREE),
            _worst(alone.cost, rest.cost),
            _worst(alone.cost, rest.failure),
            alone.ways * rest.ways,
        )


def _any_of(ways: Sequence[_Rest]) -> _Rest:
    firsts = [way.first for way in ways]
    is_decided = all(are_apart(one, two) for at, one in enumerate(firsts) for two in firsts[:at])
    tried = [way.ways for way in ways]
    return _Rest(
        joined(firsts),
        any(way.is_sure for way in ways),
        any(way.ends_text for way in ways),
        _worst(*(way.entry for way in ways)),
        _worst(*(way.cost for way in ways)),
        _worst(*(way.failure for way in ways)),
        max(tried) if is_decided else sum(tried),
    )


def _few(some: Characters) -> str:
    """Return the characters of a set; empty where they are more than ``MARKS_MOST``."""
    if sum(last - first + 1 for first, last in some) > MARKS_MOST:
        return ""
    return "".join(chr(code) for first, last in some for code in range(first, last + 1))


def _is_one_character(body: Sequence[Node]) -> bool:
    """Return whether the engine repeats this without storing a place for each repetition."""
    if len(body) != 1:
        return False
    ((code, argument),) = body
    if code is codes.SUBPATTERN:
        return argument[0] is None and _is_one_character(argument[3])
    return code in ONE_CHARACTER
