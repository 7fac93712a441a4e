"""A short sweep with a buffer in Kafka; ``python -m tests.torture`` runs it long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.buffered import BUFFERED, run_buffered

pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]
SEED = 20261129
EVENTS = 2000


@pytest.mark.parametrize("name", BUFFERED)
async def test_nothing_is_lost_or_doubled_across_the_buffer(name: str, tmp_path: Path) -> None:
    outcome = await run_buffered(name, events=EVENTS, seed=SEED, folder=tmp_path)

    assert outcome.problems == [], f"python -m tests.torture --scenario {name!r} --seed {SEED}"
    assert outcome.verdict.acked == EVENTS
