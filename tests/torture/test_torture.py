"""A short sweep through all scenarios; ``make torture`` runs them long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers import golumber_peer
from tests.peers.tools import require_tool
from tests.torture.runs import run
from tests.torture.scenarios import SCENARIOS

SEED = 20261123
EVENTS = 800
SWEEP = [name for name in SCENARIOS if not name.startswith("lie: ")]
"""Of the lies alone only those in turn: each of the others needs a server of its own."""


@pytest.mark.timeout(300)  # processes are killed and started again, a real node among them
@pytest.mark.parametrize("name", SWEEP)
async def test_nothing_is_lost_doubled_corrupt_or_invented(name: str, tmp_path: Path) -> None:
    if SCENARIOS[name].has_real_client:
        require_tool("go")
        golumber_peer.build()

    outcome = await run(name, events=EVENTS, seed=SEED, folder=tmp_path)

    assert outcome.problems == [], f"python -m tests.torture --scenario {name!r} --seed {SEED}"
    assert outcome.verdict.acked == EVENTS
