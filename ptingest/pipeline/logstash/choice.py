"""Which arm of an ``if`` an event takes.

Long chains of ``else if`` mostly ask one field for one text after another. What was decided for
a text holds for it always, so that it is decided once: the chain is one look into a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from ptingest.pipeline.logstash.conditions import Test
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import reader, root_key
from ptingest.pipeline.logstash.values import Value

Choice = Callable[[Event], int]
"""Gives the number, from 1, of the first arm whose condition holds, or 0. Raises what conditions
do. A condition alone is a choice: its truth is the number."""

CHAIN_LEAST = 4
"""Arms that ask one field from which on what was decided is kept."""
KEPT_TEXTS = 1024
LONGEST_TEXT = 256
"""Characters of a text that is kept; longer ones are lines, which seldom come again."""


class Arm(NamedTuple):
    """The condition of one arm."""

    test: Test
    field: str | None
    """The one field whose value decides; None where more does."""


def keeps_answers(arms: Sequence[Arm]) -> bool:
    """Whether a choice among these arms keeps what was decided."""
    groups = groupby(arms, key=lambda one: one.field)
    return any(field is not None and len(list(group)) >= CHAIN_LEAST for field, group in groups)


def compile_choice(arms: Sequence[Arm]) -> Choice:
    """Return what chooses among the arms that have a condition."""
    if len(arms) == 1:
        return arms[0].test
    choices: list[Choice] = []
    for field, group in groupby(enumerate(arms, 1), key=lambda one: one[1].field):
        numbered = list(group)
        choice = _first(numbered[0][0], [arm.test for _, arm in numbered])
        if field is not None and len(numbered) >= CHAIN_LEAST:
            choice = _keeping(field, choice)
        choices.append(choice)
    return choices[0] if len(choices) == 1 else _joined(choices)


def _first(number: int, tests: Sequence[Test]) -> Choice:
    def choose(event: Event) -> int:
        at = number
        for test in tests:
            if test(event):
                return at
            at += 1
        return 0

    return choose


def _joined(choices: Sequence[Choice]) -> Choice:
    def choose(event: Event) -> int:
        for choice in choices:
            number = choice(event)
            if number:
                return number
        return 0

    return choose


def _keeping(field: str, decide: Choice) -> Choice:
    known: dict[Value, int] = {}
    key, read = root_key(field), reader(field)

    def choose(event: Event) -> int:
        # Nearly always a text that a filter made of the message.
        value = None if key is None else event.root.get(key)
        if type(value) is not str:
            value = read(event)
            if type(value) is not str and value is not MISSING:
                return decide(event)  # numbers of different types are one key of a dict
        number = known.get(value)
        if number is not None:
            return number
        failures = event.failures
        number = decide(event)
        # What took too long to decide was tagged, and may be decided another time.
        is_sure = event.failures == failures
        is_short = value is MISSING or len(value) <= LONGEST_TEXT
        if is_sure and is_short and len(known) < KEPT_TEXTS:
            known[value] = number
        return number

    return choose
