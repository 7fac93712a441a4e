"""Readiness, the console, `top` and `doctor` judge one server, and agree."""

from __future__ import annotations

import asyncio
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import run
from tests.support.console import Served, console

RECEIVED = "ptingest_flow_received_events_total"
DROPPED = "ptingest_flow_dropped_events_total"
STATUS: dict[str, Any] = {
    "version": "1.0",
    "pid": 7,
    "uptime_seconds": 3600.0,
    "listening": "127.0.0.1:5044",
    "books": {"store": {"django": {"received": 5, "stored": 5, "in_flight": 0, "residue": 0}}},
    "budget": {"outstanding_bytes": 0, "limit_bytes": 100},
    "beats": {"connections": 1, "connections_limit": 10},
    "loop_lag_seconds": 0.0,
}
WELL, SAFE, ILL = "All is well", "Events are taken and kept safe", "Not all is well"
LETTERS = {"bytes": 1, "limit_bytes": 100, "waiting": 3}


@pytest.mark.parametrize(
    ("reasons", "status", "dropped", "title", "problems", "warnings"),
    [
        ([], {}, 0, WELL, [], []),
        (["sink store: disk is full"], {}, 0, ILL, ["not ready: sink store: disk is full"], []),
        ([], {"dead_letters": LETTERS}, 0, SAFE, [], ["dead letters: 3 are waiting"]),
        (
            ["draining: this process is stopping"],
            {"dead_letters": LETTERS, "loop_lag_seconds": 2.0},
            0,
            ILL,
            ["not ready: draining: this process is stopping"],
            ["dead letters: 3 are waiting", "event loop: the server paused for 2.0 s lately"],
        ),
        (
            [],
            {},
            5,
            ILL,
            ["dropped by rule: 5 of 5 (100 %) events: 5 other_group"],
            [],
        ),
    ],
    ids=["well", "not ready", "a warning", "not ready and warnings", "ready, all events dropped"],
)
async def test_one_server_is_judged_once(
    reasons: list[str],
    status: dict[str, Any],
    dropped: int,
    title: str,
    problems: list[str],
    warnings: list[str],
    tmp_path: Path,
) -> None:
    async with console() as served:
        served.view.reasons = reasons
        served.view.shown = {**STATUS, **status, "not_ready_because": reasons}
        served.metrics.add(RECEIVED, 5, "django")
        served.metrics.add(DROPPED, dropped, "django", "other_group")
        address = f"127.0.0.1:{served.port}"

        ready = await _readiness(served)
        page = await _text(served)
        top = await asyncio.to_thread(
            run, "top", "--once", "--json", "--every", "0.1", "--address", address, folder=tmp_path
        )
        doctor = await asyncio.to_thread(
            run, "doctor", "--server", address, "--json", folder=tmp_path
        )

    well = json.loads(top.out)["well"]
    rows = [json.loads(line) for line in doctor.out.splitlines()]
    said = {
        mark: [f"{row['subject']}: {row['found']}" for row in rows if row["mark"] == mark]
        for mark in ("problem", "warning")
    }
    found = problems + warnings

    assert (ready["ready"], ready["reasons"]) == (not reasons, reasons)
    assert [f"not ready: {reason}" for reason in reasons] == problems[: len(reasons)]
    assert (said["problem"], said["warning"], doctor.code) == (problems, warnings, bool(problems))
    assert f"{title}." in page
    assert [page.index(one) for one in found] == sorted(page.index(one) for one in found)
    assert page.count("Cure: ") == len(found)
    assert well["is_well"] is not bool(problems)
    assert well["sentence"].startswith(title)
    assert not found or found[0] in well["sentence"]


async def _readiness(served: Served) -> dict[str, Any]:
    async with served.http.get("/readyz") as answer:
        found: dict[str, Any] = await answer.json()
        assert (answer.status == 200) is found["ready"]
        return found


async def _text(served: Served) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", await served.read("/console/")))
