from __future__ import annotations

from ptingest.api.console.timeline import HEIGHT, WIDTH, level_of, timeline
from ptingest.model.explore import Bar

BARS = [
    Bar("2025-01-02T03:00:00.000Z", "2025-01-02T03:59:59.999Z", {"INFO": 1_000_000, "ERROR": 1}),
    Bar("2025-01-02T04:00:00.000Z", "2025-01-02T04:59:59.999Z", {}),
    Bar("2025-01-02T05:00:00.000Z", "2025-01-02T05:59:59.999Z", {None: 5, "<b>": 2}),
]


def test_steps_stand_side_by_side_and_lead_where_they_say() -> None:
    line = timeline(BARS, lambda bar: f"?since={bar.start}")

    assert line is not None
    assert [step.x for step in line.steps] == [0, 333.33, 666.67]
    assert sum(step.width for step in line.steps) <= WIDTH
    assert line.steps[1].address == "?since=2025-01-02T04:00:00.000Z"
    assert (line.first, line.last, line.top) == (BARS[0].start, BARS[-1].end, 1_000_001)


def test_one_error_among_a_million_is_seen_and_below_all_others() -> None:
    line = timeline(BARS, lambda _: "")

    assert line is not None
    error, info = line.steps[0].boxes
    assert (error.level, info.level) == ("ERROR", "INFO")
    assert error.height >= 2
    assert error.y + error.height == HEIGHT
    assert info.y + info.height == error.y
    assert info.y >= 0


def test_what_is_no_level_of_ours_counts_as_other() -> None:
    line = timeline(BARS, lambda _: "")

    assert line is not None
    assert line.levels == [("ERROR", 1), ("INFO", 1_000_000), ("other", 7)]
    assert level_of("<b>") == level_of(None) == "other"


def test_every_step_says_in_words_what_it_shows() -> None:
    line = timeline(BARS, lambda _: "")

    assert line is not None
    assert line.steps[0].words == (
        "2025-01-02 03:00:00: 1,000,001 documents (ERROR 1, INFO 1,000,000)"
    )
    assert line.steps[1].words == "2025-01-02 04:00:00: 0 documents"


def test_of_nothing_nothing_is_drawn() -> None:
    assert timeline([], lambda _: "") is None
