"""How filters, branches and outputs are put together."""

from __future__ import annotations

from collections.abc import Sequence

from ptingest.pipeline.logstash.conditions import ConditionError
from ptingest.pipeline.logstash.event import Event, new_event
from ptingest.pipeline.logstash.tree import Place, Plugin
from ptingest.pipeline.logstash.wiring import (
    ConditionCounts,
    PluginCounts,
    branch,
    branch_routes,
    filter_step,
    sequence,
)


def counts() -> PluginCounts:
    return PluginCounts("filter", Plugin("x", (), Place("a.conf", 1, 1)), "id")


def event() -> Event:
    return new_event({}, now_ns=0)


def note(word: str) -> object:
    def step(one: Event) -> None:
        one.fields["seen"] = one.fields.get("seen", "") + word

    return step


def cloning(one: Event) -> Sequence[Event]:
    return (one.clone(),)


def test_an_event_that_is_added_goes_on_from_there() -> None:
    steps = [note("a"), cloning, note("b"), cloning, note("c")]
    one = event()

    others = sequence(steps)(one)  # type: ignore[arg-type]

    assert others is not None
    assert [each.fields["seen"] for each in (one, *others)] == ["abc"] * 4


def test_a_cancelled_event_goes_no_further() -> None:
    one = event()

    drop = filter_step(lambda each: each.cancel(), counts())
    sequence([note("a"), drop, note("b")])(one)  # type: ignore[list-item]

    assert one.fields["seen"] == "a"


def test_a_filter_is_counted() -> None:
    count = counts()

    filter_step(cloning, count)(event())
    filter_step(lambda one: one.cancel(), count)(event())
    filter_step(lambda one: one.tag("_f"), count)(event())

    assert (count.events_in, count.events_out, count.failures) == (3, 3, 1)


def test_nothing_that_a_filter_raises_goes_further() -> None:
    def broken(_one: Event) -> None:
        raise RuntimeError("what")

    count, one = counts(), event()

    assert filter_step(broken, count)(one) is None
    assert one.fields["tags"] == ["_filter_error"]
    assert count.failures == 1
    assert count.last_error == "RuntimeError: what"


def test_a_condition_that_cannot_be_decided_drops_the_event() -> None:
    def undecided(_one: Event) -> int:
        raise ConditionError("why")

    conditions, one = ConditionCounts(), event()

    branch(undecided, [sequence([])], sequence([]), conditions)(one)

    assert one.is_cancelled
    assert (conditions.errors, conditions.last) == (1, "why")
    assert branch_routes(undecided, [lambda _one: ()], None, conditions)(one) == ()
    assert conditions.errors == 2
