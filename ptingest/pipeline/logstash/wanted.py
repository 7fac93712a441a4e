"""Whether any filter or output may do anything with an event, told before the event is built.

Where all filters and outputs of a config stand below conditions, an event for which none of the
first ones holds is dropped. These conditions mostly ask for what a Beat says of itself, so that
the answer is kept by the members that they ask for, as they were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ptingest.pipeline.decode import Decoded
from ptingest.pipeline.fast.cache import remember
from ptingest.pipeline.fast.events import ABSENT
from ptingest.pipeline.logstash.conditions import (
    ConditionError,
    Test,
    compile_condition,
    fields_of,
)
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.tree import Branch, Condition, Config
from ptingest.pipeline.logstash.values import FieldError

Wanted = Callable[[Decoded, int], bool]
"""Takes a payload, and the clock in nanoseconds since 1970."""


def compile_wanted(config: Config, inputs_own: frozenset[str]) -> Wanted | None:
    """Return what finds one of the first conditions true; None where not all depends on them.

    Args:
        config: one whose conditions can all be compiled.
        inputs_own: members that an input does not leave as they were sent; what they decide is
            not known yet.
    """
    conditions: list[Condition] = []
    names: set[str] = set()
    for statement in (*config.filters, *config.outputs):
        if not isinstance(statement, Branch):
            return None
        for condition, _ in statement.arms:
            own = None if condition is None else _members_of(condition, inputs_own)
            if condition is None or own is None:
                return None
            conditions.append(condition)
            names |= own
    return _kept([compile_condition(one) for one in dict.fromkeys(conditions)], sorted(names))


def _members_of(condition: Condition, inputs_own: frozenset[str]) -> set[str] | None:
    """Return the members that decide a condition; None where an input may change one."""
    try:
        references = [parse_reference(text) for text in fields_of(condition)]
    except FieldError:
        return None
    names = {one.path[0] for one in references if not one.is_metadata}
    has_metadata = any(one.is_metadata for one in references)
    return None if has_metadata or names & inputs_own else names


def _kept(tests: Sequence[Test], names: Sequence[str]) -> Wanted:
    known: dict[bytes, bool] = {}
    absent = [ABSENT] * len(names)

    def is_wanted(sent: Decoded, now_ns: int) -> bool:
        members = sent.event
        if "tags" in members or "event" in members or sent.marks:
            return True  # the input may refuse it, or has more to say of it
        # No value in JSON has a comma outside of its brackets and quotes.
        asked = b",".join(map(members.get, names, absent))
        answer = known.get(asked)
        if answer is not None:
            return answer
        event = Event(dict(members), {}, now_ns)
        answer = _is_any(tests, event)
        # What took too long to decide was tagged: that event goes through all that counts it.
        if event.failures:
            return True
        remember(known, asked, answer)
        return answer

    return is_wanted


def _is_any(tests: Sequence[Test], event: Event) -> bool:
    """Whether one of the conditions holds, or cannot be decided."""
    try:
        return any(test(event) for test in tests)
    except (ConditionError, FieldError):
        return True
