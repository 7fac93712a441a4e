from __future__ import annotations

from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.observe.traffic import SHAPES_KEPT, TrafficWatch
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile
from tests.support.raw_peer import event

PROFILE = load_profile(packaged_profile_path(), {})
PIPELINE = compile_profile(PROFILE)
SECOND = 1_000_000_000
NOW = 1_735_787_110 * SECOND  # 2025-01-02T03:05:10Z


def processed(*payloads: bytes, now_ns: int = NOW) -> Processed:
    receipt = Receipt(lambda _: None)
    return PIPELINE.process(payloads, receipt=receipt, peer="p", now_ns=now_ns)


def line(message: str, **more: Any) -> bytes:
    where = {"offset": 1, "file": {"path": "/x"}}
    return event(message, agent={"id": "a"}, host={"name": "h"}, log=where, **more)


@pytest.fixture
def watch() -> TrafficWatch:
    return TrafficWatch(PROFILE)


def row(watch: TrafficWatch, service: str = "django", now_ns: int = NOW) -> dict[str, Any]:
    return cast(dict[str, Any], watch.status(now_ns)[service])


def test_lines_that_fit_no_pattern_are_shown_masked_with_the_nearest_pattern(
    watch: TrafficWatch,
) -> None:
    watch.look(processed(line("secret 42"), line("hidden 7"), line("a|b")), PROFILE, NOW)

    found = row(watch)["unmatched"]
    assert found["sampled"] == 3
    assert found["shapes"][0] == {
        "shape": "a 0",
        "sampled": 2,
        "nearest_pattern": "dotted_milliseconds",
        "missing": "`|`",
        "is_off": False,
    }
    assert b"secret" not in orjson.dumps(found)


def test_lines_that_fit_are_no_samples(watch: TrafficWatch) -> None:
    watch.look(processed(line("INFO|a|2025-01-02T03:04:05Z|x")), PROFILE, NOW)

    assert row(watch)["unmatched"] == {"sampled": 0, "shapes": []}


def test_a_flood_of_failures_is_sampled_and_not_followed(watch: TrafficWatch) -> None:
    for step in range(100):
        now = NOW + step * SECOND // 100
        watch.look(processed(*[line(f"nothing {step}")] * 20), PROFILE, now)

    assert row(watch)["unmatched"]["sampled"] == 4


def test_shapes_without_end_keep_the_commonest(watch: TrafficWatch) -> None:
    for number in range(10 * SHAPES_KEPT):
        now = NOW + number * SECOND
        watch.look(processed(line("-" * (number % 90)), line("common one")), PROFILE, now)

    kept = watch._shapes["django"]
    assert len(kept) <= SHAPES_KEPT + 1
    assert row(watch)["unmatched"]["shapes"][0]["shape"] == "a a"


def test_the_age_of_a_services_last_event_is_told(watch: TrafficWatch) -> None:
    watch.look(processed(line("INFO|a|2025-01-02T03:04:10Z|x")), PROFILE, NOW)

    found = row(watch, now_ns=NOW + 5 * SECOND)
    assert (found["last_lag_seconds"], found["heard_seconds_ago"]) == (60.0, 5.0)


def test_an_event_from_the_future_has_a_negative_age(watch: TrafficWatch) -> None:
    watch.look(processed(line("INFO|a|2025-01-02T04:05:10Z|x")), PROFILE, NOW)

    assert row(watch)["last_lag_seconds"] == -3600.0


def test_an_event_without_a_key_has_no_age(watch: TrafficWatch) -> None:
    watch.look(processed(event()), PROFILE, NOW)

    assert row(watch)["last_lag_seconds"] is None


def test_a_reload_brings_its_own_patterns(watch: TrafficWatch) -> None:
    group = PROFILE.groups[0]
    renamed = group.patterns[0].model_copy(update={"name": "new"})
    fresh = PROFILE.model_copy(
        update={"groups": (group.model_copy(update={"patterns": (renamed,)}),)}
    )

    watch.look(processed(line("odd")), fresh, NOW)

    assert row(watch)["unmatched"]["shapes"][0]["nearest_pattern"] == "new"


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=40), st.sampled_from([b'"%s"', b"%s", b'["%s"]', b'"x","message":"%s"']))
def test_no_payload_of_which_the_pipeline_makes_something_is_too_odd_to_look_at(
    odd: bytes, form: bytes
) -> None:
    payload = b'{"group":"pt","service":"django","message":' + form % odd + b"}"

    TrafficWatch(PROFILE).look(processed(payload), PROFILE, NOW)


def test_a_line_that_is_no_utf8_has_no_shape(watch: TrafficWatch) -> None:
    watch.look(processed(line("fits nothing").replace(b"nothing", b"\xff")), PROFILE, NOW)

    assert row(watch)["unmatched"] == {"sampled": 0, "shapes": []}
