"""Every attack of the table, with room for a machine that runs other tests beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.noisy_neighbour import ATTACKS, Observed, observe

pytestmark = pytest.mark.timeout(180)  # a server of its own in each
LAG_SECONDS = 20.0
"""Tells a server that stands still from one on a machine that runs other tests beside it.
``python -m tests.torture.noisy_neighbour``, run alone, judges by the promised second."""


@pytest.mark.parametrize("name", ATTACKS)
async def test_other_beats_and_health_checks_are_answered_during(name: str, tmp_path: Path) -> None:
    observed = await observe(tmp_path, ATTACKS[name])

    assert observed.broken_promises(lag_seconds=LAG_SECONDS) == [], observed


def test_each_broken_promise_is_named() -> None:
    observed = Observed(
        ack_seconds_alone=0.01,
        ack_seconds=1.1,
        livez_seconds=1.1,
        rss_peak_mib=385,
        ready_after_seconds=11,
        stop_seconds=1,
        exit_code=1,
        has_traceback=True,
    )

    assert len(observed.broken_promises()) == 6
