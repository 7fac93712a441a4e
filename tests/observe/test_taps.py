"""Taps examine events within their budget, and skipped events are counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ptingest.errors import QueryInvalid, TapsBusy
from ptingest.model.outcome import Processed, Refusal
from ptingest.model.receipt import Receipt
from ptingest.model.watching import TapRequest
from ptingest.observe.taps import BUFFER_BYTES, LINES_A_SECOND, TAPS, Tap, Taps
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.load import load_profile
from tests.fakes.clock import ManualClock
from tests.support.raw_peer import event

NOW = 1_750_000_000 * 10**9


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return compile_profile(load_profile(packaged_profile_path(), {}))


class Spent:
    """Time as the taps measure their own work: each read of the clock takes so much."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def processed(pipeline: Pipeline, payloads: list[bytes]) -> Processed:
    return pipeline.process(
        payloads, receipt=Receipt(lambda _: None), peer="192.0.2.7:1", now_ns=NOW
    )


def see(taps: Taps, pipeline: Pipeline, payloads: list[bytes]) -> Processed:
    done = processed(pipeline, payloads)
    taps.see(pipeline, payloads, done, "192.0.2.7:1", NOW)
    return done


async def lines(tap: Tap) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await tap.read()).splitlines()]


async def events(tap: Tap) -> list[dict[str, Any]]:
    return [line for line in await lines(tap) if "fate" in line]


async def test_what_matches_is_shown_whole(pipeline: Pipeline) -> None:
    taps = Taps(ManualClock())
    tap = await taps.begin(TapRequest("service:django and log_level:ERROR"))

    see(taps, pipeline, [event("ERROR|root|2025-01-02T03:04:05Z|broken"), event()])

    first, told = await lines(tap)
    assert first["fate"] == "passed"
    assert first["document"]["log_message"] == "broken"
    assert (first["data_stream"], first["peer"]) == ("logs-django-pt", "192.0.2.7:1")
    assert told == {"told": {"passed": 2, "shown": 1, "skipped": 0, "lost": 0}}


async def test_raw_is_what_came_in(pipeline: Pipeline) -> None:
    taps = Taps(ManualClock())
    tap = await taps.begin(TapRequest(raw=True, fates=("passed", "dead_lettered")))

    see(taps, pipeline, [event("x|y"), b"\xff no json"])

    text, binary = await events(tap)
    assert text["payload"].encode() == event("x|y")
    assert binary["payload_base64"] == "/yBubyBqc29u"


async def test_other_fates_are_shown_with_their_reason_when_asked(pipeline: Pipeline) -> None:
    taps = Taps(ManualClock())
    only_passed = await taps.begin(TapRequest())
    tap = await taps.begin(TapRequest(fates=("dropped", "dead_lettered")))

    see(taps, pipeline, [event(group="other"), b"no json", event(), event(service="A B")])

    found = {(one["fate"], one["reason"]) for one in await events(tap)}
    assert found == {
        ("dropped", "other_group"),
        ("dead_lettered", "not_json"),
        ("dead_lettered", "illegal_data_stream"),
    }
    assert [one["fate"] for one in await events(only_passed)] == ["passed"]


async def test_what_a_sink_refuses_is_shown_too(pipeline: Pipeline) -> None:
    taps = Taps(ManualClock())
    tap = await taps.begin(TapRequest(fates=("dead_lettered",)))
    (document,) = processed(pipeline, [event()]).documents

    taps.see_refused([Refusal(document, "mapping", "cannot parse")])

    (found,) = await events(tap)
    assert (found["reason"], found["detail"]) == ("mapping", "cannot parse")
    assert found["document"]["service"] == "django"


async def test_work_beyond_the_budget_is_skipped_and_counted(pipeline: Pipeline) -> None:
    taps = Taps(ManualClock(), spent=Spent(seconds=0.01))
    tap = await taps.begin(TapRequest())

    for _ in range(20):
        see(taps, pipeline, [event()] * 256)

    looked = tap.shown + tap.lost
    assert tap.seen == 20 * 256
    assert 0 < looked < 1024
    assert looked + tap.skipped == tap.seen


async def test_time_brings_new_budget(pipeline: Pipeline) -> None:
    spent = Spent(seconds=0.03)
    taps = Taps(ManualClock(), spent=spent)
    tap = await taps.begin(TapRequest())
    for _ in range(3):
        see(taps, pipeline, [event()])
    shown = tap.shown

    spent.now += 60
    see(taps, pipeline, [event()])

    assert (shown, tap.shown) == (1, 2)


async def test_no_more_lines_a_second_than_somebody_reads(pipeline: Pipeline) -> None:
    clock = ManualClock()
    taps = Taps(clock, spent=Spent())
    tap = await taps.begin(TapRequest())
    many = int(LINES_A_SECOND) + 100

    for _ in range(many):
        see(taps, pipeline, [event()])
        tap._lines.clear()
        tap.size = 0
    clock.advance(1.0)
    see(taps, pipeline, [event()])

    assert (tap.shown, tap.skipped) == (many - 100 + 1, 100)


@pytest.mark.parametrize("chunk", [1, 7, 256])
async def test_a_share_is_evenly_spread(pipeline: Pipeline, chunk: int) -> None:
    taps = Taps(ManualClock(), spent=Spent())
    tap = await taps.begin(TapRequest(share=0.1))
    payloads = [event(f"x|{number}") for number in range(chunk)]

    for _ in range(700 // chunk):
        see(taps, pipeline, payloads)

    assert tap.shown == pytest.approx(tap.seen / 10, abs=1)
    assert tap.skipped == 0
    if chunk == 256:
        shown = {one["document"]["message"] for one in await events(tap)}
        assert len(shown) > 40, "not always the same places"


async def test_a_slow_reader_loses_lines_and_no_memory(pipeline: Pipeline) -> None:
    taps = Taps(ManualClock(), spent=Spent())
    tap = await taps.begin(TapRequest())
    large = event("x" * 50_000)

    for _ in range(100):
        see(taps, pipeline, [large])

    assert tap.size <= BUFFER_BYTES
    assert tap.lost > 0
    assert tap.shown + tap.lost == 100
    assert taps.status()["waiting_bytes"] == tap.size


async def test_giants_are_skipped(pipeline: Pipeline) -> None:
    taps = Taps(ManualClock(), spent=Spent())
    tap = await taps.begin(TapRequest())

    see(taps, pipeline, [event("x" * 2_000_000)])

    assert (tap.shown, tap.skipped) == (0, 1)


async def test_taps_are_few_and_a_closed_one_makes_room() -> None:
    taps = Taps(ManualClock())
    opened = [await taps.begin(TapRequest()) for _ in range(TAPS)]

    with pytest.raises(TapsBusy, match=f"{TAPS} taps are open"):
        await taps.begin(TapRequest())
    opened[0].close()

    assert await taps.begin(TapRequest())
    assert taps.status()["open"] == TAPS


async def test_a_query_that_cannot_be_read_opens_nothing() -> None:
    taps = Taps(ManualClock())

    with pytest.raises(QueryInvalid, match="column 9"):
        await taps.begin(TapRequest("service:"))

    assert taps.open == []


async def test_the_end_is_told_after_what_waited(pipeline: Pipeline) -> None:
    taps = Taps(ManualClock())
    tap = await taps.begin(TapRequest())
    see(taps, pipeline, [event()])

    taps.end_all("the server is stopping")

    kinds = [next(iter(line)) for line in await lines(tap)]
    assert kinds == ["fate", "told", "ended"]
    assert await tap.read() == b""
    assert taps.open == []


async def test_a_tap_with_nothing_to_show_says_so() -> None:
    taps = Taps(ManualClock(), quiet_seconds=0.01)
    tap = await taps.begin(TapRequest())

    found = [await lines(tap), await lines(tap)]

    assert found == [[{"told": {"passed": 0, "shown": 0, "skipped": 0, "lost": 0}}]] * 2


async def test_a_long_query_looks_at_small_events_only(pipeline: Pipeline) -> None:
    clock = ManualClock()
    taps = Taps(clock, spent=Spent())
    terms = " or ".join(["*a*b"] * 900)
    brief, long = [await taps.begin(TapRequest(query=query)) for query in ("*a*b", terms)]

    see(taps, pipeline, [event("ab"), event("ab " * 10_000)])

    assert (brief.shown, brief.skipped) == (2, 0)
    assert (long.shown, long.skipped) == (1, 1)
