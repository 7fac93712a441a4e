from __future__ import annotations

from typing import Any

import pytest

from ptingest.doctor.limits import Limit, findings_of_limits, limits_of
from ptingest.doctor.server_facts import ServerFacts
from ptingest.model.finding import Finding

CLOSED = "ptingest_beats_closed_connections_total"
ROOMY: dict[str, Any] = {
    "budget": {"outstanding_bytes": 1, "limit_bytes": 100},
    "beats": {
        "connections": 2, "connections_limit": 4096, "waiting_bytes": 0, "waiting_bytes_limit": 100,
    },
    "dead_letters": {"bytes": 0, "limit_bytes": 100},
    "loop_lag_seconds": 0.01,
}  # fmt: skip


def findings_from(
    metrics: dict[str, dict[tuple[str, ...], float]] | None = None, **status: Any
) -> list[Finding]:
    return list(findings_of_limits(ServerFacts("", status=ROOMY | status, metrics=metrics or {})))


def test_every_limit_has_its_setting() -> None:
    limits = limits_of(ROOMY)

    assert [limit.key for limit in limits] == [
        "documents", "unframed", "connections", "dead letters",
    ]  # fmt: skip
    assert all(limit.setting for limit in limits)
    assert [limit.shown for limit in limits[1:3]] == ["0 B of 100 B", "2 of 4,096"]
    assert limits_of({}) == []


@pytest.mark.parametrize(
    ("used", "limit", "level"),
    [(0, 100, ""), (80, 100, "filling"), (95, 100, "nearly full"), (200, 100, "nearly full"),
     (1, 0, "")],
)  # fmt: skip
def test_a_limit_says_how_near_it_is(used: int, limit: int, level: str) -> None:
    found = Limit("x", "X", used, limit, "")

    assert (found.is_filling, found.is_nearly_full) == (level == "filling", level == "nearly full")
    assert 0.0 <= found.share <= 1.0


def test_a_store_at_its_limit_is_shown_and_is_well() -> None:
    store = {"bytes": 100, "limit_bytes": 100}

    (limit,) = [one for one in limits_of({**ROOMY, "store_file": store}) if one.key == "store"]

    assert (limit.share, limit.is_nearly_full, limit.shown) == (1.0, False, "100 B of 100 B")
    assert [one.mark for one in findings_from(store_file=store)] == ["ok"]


@pytest.mark.parametrize(
    "store", [None, {"bytes": None, "limit_bytes": 9}, {"bytes": 9, "limit_bytes": None}]
)
def test_a_store_without_size_or_limit_is_not_shown(store: dict[str, Any] | None) -> None:
    assert limits_of({**ROOMY, "store_file": store}) == limits_of(ROOMY)


@pytest.mark.parametrize(
    ("status", "told", "cure"),
    [
        (
            {"budget": {"outstanding_bytes": 95, "limit_bytes": 100}},
            "Documents outstanding: 95 B of 100 B, nearly full",
            "beats.limits.total_bytes",
        ),
        ({"beats": {"accepting": False}}, "no new connections", "beats.limits.total_bytes"),
        ({"loop_lag_seconds": 2.0}, "paused for 2.0 s", "CPU"),
    ],
)
def test_what_is_reached_now_is_a_warning(status: dict[str, Any], told: str, cure: str) -> None:
    (found,) = findings_from(**status)

    assert found.mark == "warning"
    assert told in found.found
    assert cure in found.cure


@pytest.mark.parametrize(
    ("metric", "label", "count", "told"),
    [
        ("ptingest_beats_rejected_connections_total", "connections", 2.0, "2 connections refused"),
        ("ptingest_beats_protocol_errors_total", "not_lumberjack", 1.0, "not_lumberjack"),
        (CLOSED, "held_too_long", 1.0, "1 connection closed, beats.hold_seconds"),
        (CLOSED, "window_timeout", 4.0, "4 connections closed, beats.limits.window_seconds"),
    ],
)
def test_what_was_reached_since_the_start_is_a_note(
    metric: str, label: str, count: float, told: str
) -> None:
    (found,) = findings_from({metric: {(label,): count}})

    assert found.mark == "note"
    assert found.found.startswith("since the start: ")
    assert told in found.found


def test_a_beat_that_goes_away_reaches_no_limit() -> None:
    assert [one.mark for one in findings_from({CLOSED: {("peer_closed",): 9.0}})] == ["ok"]


@pytest.mark.parametrize(
    ("role", "keys"),
    [
        ("both", {"documents", "buffer", "connections"}),
        ("receive", {"buffer", "connections"}),
        ("index", {"documents"}),
    ],
)
def test_a_role_has_the_limits_of_what_it_does(role: str, keys: set[str]) -> None:
    row = {"outstanding_bytes": 1, "outstanding_bytes_limit": 10}
    status = {
        "role": role,
        "budget": {"outstanding_bytes": 1, "limit_bytes": 10},
        "buffer": None if role == "index" else row,
        "beats": {"connections": 1, "connections_limit": 10},
    }

    assert {limit.key for limit in limits_of(status)} == keys
