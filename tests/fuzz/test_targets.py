"""Every fuzzed promise, on its seeds and on what hypothesis makes of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.lumberjack.window import Window
from ptingest.model.outcome import WriteResult
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.bulk import BulkOutcome
from tests.fuzz.documents import check_outcomes
from tests.fuzz.targets import TARGETS, Target
from tests.fuzz.wire import check_windows
from tests.support.documents import document

EXAMPLES = {"query": 60, "segments": 60, "profile": 40, "conf": 40, "conf_events": 60}
"""Fewer where one costs milliseconds."""
ALL = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


@st.composite
def mutated(draw: st.DrawFn, target: Target, seeds: list[bytes]) -> bytes:
    """A seed with some bytes changed, removed, doubled, or replaced by a word of its language."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 16))
        made_up = draw(st.binary(max_size=6) | st.sampled_from(target.tokens))
        match draw(st.sampled_from(["change", "insert", "remove", "double"])):
            case "change":
                data[at : at + len(made_up)] = made_up
            case "insert":
                data[at:at] = made_up
            case "remove":
                del data[at : at + length]
            case _:
                data[at:at] = data[at : at + length]
    return bytes(data[: target.most_bytes])


@pytest.mark.timeout(30)
@ALL
def test_the_seeds_break_no_promise(target: Target) -> None:
    seeds = list(target.seeds())

    for seed in seeds:
        target.check(seed)

    assert len(seeds) > 1


@pytest.mark.timeout(30)
@ALL
def test_no_bytes_break_a_promise(target: Target, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    seeds = list(target.seeds())
    random.Random(0).shuffle(seeds)  # hypothesis prefers the first

    @settings(deadline=None, max_examples=EXAMPLES.get(name, 150), database=None)
    @given(mutated(target, seeds) | st.binary(max_size=60))
    def holds(data: bytes) -> None:
        target.check(data)

    holds()


def test_a_document_with_two_outcomes_or_a_made_up_one_is_noticed() -> None:
    one, other = document(number=1), document(number=2)
    answer = Answer(503, {}, b"")

    for busy in ([one, one], [other]):
        with pytest.raises(AssertionError):
            check_outcomes([one], answer, BulkOutcome(WriteResult(busy=busy)))
    with pytest.raises(AssertionError):  # nothing listed is stored, which a 503 cannot say
        check_outcomes([one], answer, BulkOutcome(WriteResult()))


def test_a_window_with_fewer_events_than_announced_is_noticed() -> None:
    window = Window([b"{}"], 1, 2, is_last=True, announced=2, odd=())

    with pytest.raises(AssertionError):
        check_windows([window])
