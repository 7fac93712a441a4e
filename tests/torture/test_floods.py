"""The floods in small; ``python -m tests.torture.floods`` runs them in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.floods import deaf, idle, no_files, one_address, outage, reconnects

pytestmark = pytest.mark.timeout(120)  # a server of its own in each


async def test_an_outage_keeps_every_beat_and_no_more_memory_than_allowed(tmp_path: Path) -> None:
    beats = {"keepalive_seconds": 0.5, "limits": {"total_bytes": 4 << 20}}

    figures = await outage(
        tmp_path, peers=20, window=256, seconds=5, timeout_seconds=3, beats=beats
    )

    assert figures["timeouts"] == figures["resent_events"] == 0
    # 4 MiB of events, what they cost in Python beside it, and the client library.
    assert figures["rss_peak_mib"] - figures["rss_at_rest_mib"] < 80


async def test_many_reconnects_at_once_are_served_without_a_timeout(tmp_path: Path) -> None:
    figures = await reconnects(tmp_path, peers=300)

    assert figures["timeouts"] == 0


async def test_idle_connections_cost_little_and_disturb_nobody(tmp_path: Path) -> None:
    figures = await idle(tmp_path, peers=400, look_seconds=1)

    assert figures["kib_a_connection"] < 40


async def test_who_never_reads_its_acks_is_closed_and_disturbs_nobody(tmp_path: Path) -> None:
    await deaf(tmp_path, peers=3, write_seconds=1)


async def test_a_flood_from_one_address_is_counted_and_told_in_few_lines(tmp_path: Path) -> None:
    await one_address(tmp_path, peers=200)


async def test_no_file_descriptors_left_is_told_and_passes(tmp_path: Path) -> None:
    figures = await no_files(tmp_path, files=120, peers=200)

    assert figures["seconds_until_served_again"] < 20
