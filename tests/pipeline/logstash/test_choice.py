"""Which arm of an if is taken, and how often that is decided."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.logstash import choice
from ptingest.pipeline.logstash.choice import Arm, compile_choice
from ptingest.pipeline.logstash.event import Event, new_event
from ptingest.pipeline.logstash.values import Timestamp

VALUES: st.SearchStrategy[Any] = st.sampled_from(
    ["0", "1", "x", 0, 1, 1.0, True, None, Timestamp(1)]
) | st.lists(st.sampled_from(["1", "x"]), max_size=2)


def event(**fields: Any) -> Event:
    return new_event(fields, now_ns=0)


def equal_arms(field: str, *values: object, seen: list[object] | None = None) -> list[Arm]:
    """One arm for each value that the field may have."""

    def arm(wanted: object) -> Arm:
        def test(one: Event) -> bool:
            found = one.read(field)
            if seen is not None:
                seen.append(found)
            return type(found) is type(wanted) and found == wanted

        return Arm(test, field)

    return [arm(value) for value in values]


@given(events=st.lists(st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES}), max_size=9))
def test_what_is_kept_chooses_the_arm_that_the_conditions_choose(
    events: list[dict[str, Any]],
) -> None:
    arms = [*equal_arms("a", "0", 1, "x", None, True), *equal_arms("b", "1", 1.0, "x", 0)]
    kept, plain = compile_choice(arms), compile_choice([Arm(one.test, None) for one in arms])

    assert [kept(event(**one)) for one in events] == [plain(event(**one)) for one in events]


def test_a_long_chain_on_one_field_is_decided_once_for_a_text() -> None:
    seen: list[object] = []
    choose = compile_choice(equal_arms("a", "1", "2", "3", "4", seen=seen))

    assert [choose(event(a="4")), choose(event(a="4")), choose(event()), choose(event())] == [
        4, 4, 0, 0,
    ]  # fmt: skip
    assert seen == ["4"] * 4 + [None] * 4


def test_lines_and_ever_new_texts_fill_no_memory() -> None:
    seen: list[object] = []
    choose = compile_choice(equal_arms("a", "1", "2", "3", "4", seen=seen))
    line = "x" * (choice.LONGEST_TEXT + 1)

    for number in range(choice.KEPT_TEXTS + 1):
        choose(event(a=f"n{number}"))
    seen.clear()
    for text in ("n0", line, line, "n1024", "n1024"):
        choose(event(a=text))

    assert seen == [line] * 8 + ["n1024"] * 8


def test_what_was_tagged_on_the_way_is_decided_again() -> None:
    seen: list[object] = []

    def slow(one: Event) -> bool:
        one.tag("_condition_timeout")
        return False

    arms = [Arm(slow, "a"), *equal_arms("a", "1", "2", "3", seen=seen)]
    choose = compile_choice(arms)
    first, second = event(a="3"), event(a="3")

    assert [choose(first), choose(second)] == [4, 4]
    assert first.read("tags") == second.read("tags") == ["_condition_timeout"]
