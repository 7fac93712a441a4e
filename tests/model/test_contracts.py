"""The interfaces between rooms, and that the tests' fakes implement them."""

from __future__ import annotations

import inspect

import pytest

from ptingest.model.contracts import Admit, Clock, Sink
from tests.fakes.clock import ManualClock
from tests.fakes.sink import ScriptedSink


def parameters(protocol: type, method: str) -> list[tuple[str, object]]:
    return [
        (name, parameter.kind)
        for name, parameter in inspect.signature(getattr(protocol, method)).parameters.items()
    ]


@pytest.mark.parametrize(
    ("protocol", "fake", "methods"),
    [
        pytest.param(Sink, ScriptedSink, ["write", "check", "close"], id="sink"),
        pytest.param(Clock, ManualClock, ["monotonic", "time_ns"], id="clock"),
    ],
)
def test_the_fakes_take_what_the_contract_gives(
    protocol: type, fake: type, methods: list[str]
) -> None:
    for method in methods:
        assert parameters(fake, method) == parameters(protocol, method)
        ours, theirs = getattr(fake, method), getattr(protocol, method)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


def test_admit_is_awaited_with_payloads_receipt_and_origin() -> None:
    names = [name for name, _ in parameters(Admit, "__call__")]

    assert names == ["self", "payloads", "receipt", "origin"]
    assert inspect.iscoroutinefunction(Admit.__call__)


def test_a_manual_clock_moves_both_its_hands_and_only_when_told() -> None:
    clock = ManualClock(monotonic=5.0, time_ns=1_000)

    clock.advance(1.5)

    assert (clock.monotonic(), clock.time_ns()) == (6.5, 1_500_001_000)
