"""Is all well?"""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.api.console.verdict import Meter, advice, findings, meters

WELL: dict[str, Any] = {
    "not_ready_because": [],
    "books": {"store": {"django": {"received": 3, "stored": 3, "in_flight": 0, "residue": 0}}},
    "budget": {"outstanding_bytes": 1, "limit_bytes": 100},
    "beats": {
        "connections": 2, "connections_limit": 4096, "waiting_bytes": 0, "waiting_bytes_limit": 100,
    },
    "services": {"django": {"last_lag_seconds": 0.4, "heard_seconds_ago": 1.0}},
    "dead_letters": {"bytes": 0, "limit_bytes": 100, "waiting": 0},
    "certificates": {"trouble": None, "files": []},
    "config": {"last_error": None, "waiting_for_restart": []},
    "loop_lag_seconds": 0.01,
}  # fmt: skip


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings(WELL, {"django": (1, 1000)}) == []
    assert findings({}, {}) == []


@pytest.mark.parametrize(
    ("changed", "level", "named"),
    [
        ({"not_ready_because": ["sink store: disk full"]}, "bad", "sink store: disk full"),
        ({"not_ready_because": ["draining: this process is stopping"]}, "bad", "draining"),
        ({"not_ready_because": ["dead letters: full"]}, "bad", "dead letters: full"),
        ({"books": {"store": {"django": {"residue": -2}}}}, "bad", "django by -2"),
        ({"budget": {"outstanding_bytes": 95, "limit_bytes": 100}}, "warn", "95 B of 100 B"),
        ({"dead_letters": {"bytes": 1, "limit_bytes": 9, "waiting": 1}}, "warn", "1 dead letter "),
        ({"services": {"django": {"last_lag_seconds": -7200.0}}}, "warn", "2 h 0 min"),
        (
            {"failure_store": {"logs-nginx-pt": {"documents": 200, "last_seconds_ago": 9.0,
             "reason": "document_parsing_exception: host"}}},
            "warn", "200 events are in the failure store of logs-nginx-pt: document_parsing",
        ),
        ({"certificates": {"trouble": "no key", "files": []}}, "warn", "no key"),
        (
            {"certificates": {"files": [
                {"setting": "beats.tls.certificate", "file": "a.pem", "expires_in_days": 3.0}]}},
            "warn",
            "beats.tls.certificate expires in 3 days",
        ),
        ({"config": {"last_error": "line 3"}}, "warn", "line 3"),
        ({"config": {"waiting_for_restart": ["data_dir"]}}, "warn", "data_dir"),
        ({"loop_lag_seconds": 2.0}, "warn", "paused for 2.0 s"),
    ],
)  # fmt: skip
def test_each_thing_that_is_not_well_is_named_with_its_cure(
    changed: dict[str, Any], level: str, named: str
) -> None:
    (finding,) = findings({**WELL, **changed}, {})

    assert finding.level == level
    assert named in finding.text
    assert finding.cure


def test_lines_that_fit_no_pattern_are_told_by_share_once_there_are_many() -> None:
    (finding,) = findings(WELL, {"django": (1, 1000), "nginx": (50, 100), "celery": (2, 100)})

    assert finding.text == "Lines that fit no pattern: nginx 50%, celery 2%"
    assert finding.page == "/failures"


def test_the_worst_comes_first() -> None:
    status = {**WELL, "loop_lag_seconds": 2.0, "not_ready_because": ["sink store: no"]}

    assert [finding.level for finding in findings(status, {})] == ["bad", "warn"]


def test_every_limit_has_its_setting() -> None:
    assert [meter.name for meter in meters(WELL)] == [
        "Documents outstanding", "Received, not yet opened", "Connections", "Dead letters on disk",
    ]  # fmt: skip
    assert all(meter.setting for meter in meters(WELL))


@pytest.mark.parametrize(
    ("used", "limit", "level"),
    [(0, 100, "good"), (80, 100, "warn"), (95, 100, "bad"), (200, 100, "bad"), (1, 0, "good")],
)
def test_a_meter_says_how_near_its_limit_is(used: int, limit: int, level: str) -> None:
    meter = Meter("x", used, limit, "", "")

    assert meter.level == level
    assert 0.0 <= meter.share <= 1.0


HABITS = {
    "peer": "192.0.2.1:5000", "windows": 100, "events": 100_000, "largest_window": 2048,
    "compresses": True, "pipelines": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "setting"),
    [
        ({"compresses": False}, "compression_level"),
        ({"largest_window": 50, "events": 5000}, "bulk_max_size"),
        ({"pipelines": False}, "pipelining"),
    ],
)
def test_a_beat_is_advised_by_its_habits(changed: dict[str, Any], setting: str) -> None:
    (said,) = advice({**HABITS, **changed})

    assert said.startswith(setting)


def test_a_beat_that_does_well_or_is_new_is_left_alone() -> None:
    assert advice(HABITS) == []
    assert advice({**HABITS, "compresses": False, "windows": 3}) == []
    assert advice({**HABITS, "compresses": False, "peer": "127.0.0.1:5000"}) == []


def test_a_store_at_its_limit_is_shown_and_is_well() -> None:
    store = {"bytes": 100, "limit_bytes": 100, "setting": "sinks.store.max_bytes"}

    (meter,) = [one for one in meters({**WELL, "store_file": store}) if "Store" in one.name]

    assert (meter.share, meter.level, meter.shown) == (1.0, "good", "100 B of 100 B")
    assert findings({**WELL, "store_file": store}, {}) == []


@pytest.mark.parametrize(
    "store", [None, {"bytes": None, "limit_bytes": 9}, {"bytes": 9, "limit_bytes": None}]
)
def test_a_store_without_size_or_limit_has_no_meter(store: dict[str, Any] | None) -> None:
    assert meters({**WELL, "store_file": store}) == meters(WELL)


def test_what_went_to_a_failure_store_long_ago_is_no_news() -> None:
    row = {"documents": 1, "last_seconds_ago": 7200.0, "reason": ""}

    assert findings(WELL | {"failure_store": {"logs-nginx-pt": row}}, {}) == []
