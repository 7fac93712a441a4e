"""A short sweep through all scenarios; ``make torture`` runs them long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers import golumber_peer
from tests.peers.tools import require_tool
from tests.torture.runs import run
from tests.torture.scenarios import SCENARIOS

SEED = 20261123
EVENTS = 1000
EVENTS_OF_LIES = 400
"""A lie alone needs few events: each bulk tells it."""


@pytest.mark.timeout(120)  # processes are killed and started again, a real node among them
@pytest.mark.parametrize("name", SCENARIOS)
async def test_nothing_is_lost_doubled_corrupt_or_invented(name: str, tmp_path: Path) -> None:
    if SCENARIOS[name].has_real_client:
        require_tool("go")
        golumber_peer.build()
    events = EVENTS_OF_LIES if name.startswith("lie") else EVENTS

    outcome = await run(name, events=events, seed=SEED, folder=tmp_path)

    assert outcome.problems == [], f"python -m tests.torture --scenario {name!r} --seed {SEED}"
    assert outcome.verdict.acked == events
