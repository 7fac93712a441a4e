"""How Python's engine goes about an expression, slowly, with its steps counted.

An expression becomes a list of steps; a choice is two places to go on at, the first now and the
second when everything behind the first has failed. Only expressions whose groups are not
repeated without a bound are known here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from re import _constants as codes
from re import _parser
from typing import Any

from ptingest.settings.characters import ONE_CHARACTER, characters, flags_within

_PLACES = {
    codes.AT_BEGINNING: "^",
    codes.AT_END: "$",
    codes.AT_BOUNDARY: r"\b",
    codes.AT_END_STRING: r"\Z",
}


def steps(expression: str, text: str) -> int:
    """Return how many steps are taken until the expression matches at the start, or fails."""
    return _run(_program(expression), text, 0)[1]


@cache
def _program(expression: str) -> Sequence[Any]:
    tree = _parser.parse(expression)
    program: list[Any] = []
    _write(tree, tree.state.flags, program)
    return [*program, ("end",)]


class _Taken(dict[str, bool]):
    """Whether a character is in a set, worked out once for each."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._ranges = ranges

    def __missing__(self, character: str) -> bool:
        self[character] = any(a <= ord(character) <= z for a, z in self._ranges)
        return self[character]


def _write(nodes: Sequence[Any], flags: int, program: list[Any]) -> None:
    for code, argument in nodes:
        if code in ONE_CHARACTER:
            program.append(("take", _Taken(characters((code, argument), flags))))
        elif code is codes.AT:
            program.append(("stand", re.compile(_PLACES[argument], flags & re.MULTILINE)))
        elif code is codes.SUBPATTERN:
            _write(argument[3], flags_within(flags, argument[1], argument[2]), program)
        elif code is codes.BRANCH:
            _write_ways(argument[1], flags, program)
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            inner: list[Any] = []
            _write(argument[1], flags, inner)
            program.append(("look", [*inner, ("end",)], code is codes.ASSERT))
        else:
            _write_repeat(argument, flags, program, is_greedy=code is codes.MAX_REPEAT)


def _write_ways(ways: Sequence[Any], flags: int, program: list[Any]) -> None:
    leaps = []
    for way in ways:
        choice = len(program)
        program.append(None)
        _write(way, flags, program)
        leaps.append(len(program))
        program.append(None)
        program[choice] = ("choose", choice + 1, len(program))
    program.append(("fail",))
    for leap in leaps:
        program[leap] = ("choose", len(program), None)


def _write_repeat(argument: Any, flags: int, program: list[Any], *, is_greedy: bool) -> None:
    least, most, body = argument
    for _ in range(least):
        _write(body, flags, program)
    is_endless = most is codes.MAXREPEAT
    choices = []
    for _ in range(1 if is_endless else most - least):
        choices.append(len(program))
        program.append(None)
        _write(body, flags, program)
    if is_endless:
        program.append(("choose", choices[0], None))
    for choice in choices:
        both = (choice + 1, len(program))
        program[choice] = ("choose", *(both if is_greedy else reversed(both)))


def _run(program: Sequence[Any], text: str, start: int) -> tuple[bool, int]:
    counted, waiting = 0, [(0, start)]
    while waiting:
        step, at = waiting.pop()
        while True:
            counted += 1
            name, *told = program[step]
            if name == "end":
                return True, counted
            if name == "choose":
                step, other = told
                if other is not None:
                    waiting.append((other, at))
                continue
            if name == "take":
                is_good = at < len(text) and told[0][text[at]]
                at += 1
            elif name == "stand":
                is_good = told[0].match(text, at) is not None
            elif name == "look":
                is_seen, more = _run(told[0], text, at)
                counted += more
                is_good = is_seen is told[1]
            else:
                is_good = False
            if not is_good:
                break
            step += 1
    return False, counted
