from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ptingest.server.worker_share import ALONE, Share, cores, share_of, worker_count
from ptingest.settings.server import ServerSettings


def settings_with(**keys: Any) -> ServerSettings:
    return ServerSettings.model_validate(keys)


def test_alone_a_worker_gets_everything() -> None:
    settings = settings_with(api={"token": "t"}, sinks={"ndjson": {}})

    assert share_of(settings, ALONE) is settings


def test_bytes_in_memory_are_divided() -> None:
    settings = settings_with(workers=3, beats={"limits": {"total_bytes": "90MiB"}})

    mine = share_of(settings, Share(2, 3))

    assert mine.beats.limits.total_bytes == 30 << 20
    assert mine.beats.limits.connection_bytes == 15 << 20
    assert mine.beats.limits.connections == settings.beats.limits.connections


def test_each_writes_its_own_file_of_lines() -> None:
    settings = settings_with(workers=2, sinks={"ndjson": {"path": "out/lines.ndjson"}})

    paths = [
        one.path
        for number in (1, 2)
        if (one := share_of(settings, Share(number, 2)).sinks.ndjson) is not None
    ]

    assert paths == ["out/lines.worker-1.ndjson", "out/lines.worker-2.ndjson"]


def test_the_http_port_and_its_secrets_stay_with_the_supervisor() -> None:
    settings = settings_with(api={"token": "t", "tls": {"certificate": "c.pem"}})

    mine = share_of(settings, Share(1, 2)).api

    assert (mine.tls, mine.token) == (None, None)


def test_the_first_of_several_does_maintenance_for_all() -> None:
    assert [
        (one.does_maintenance, one.maintains_for_others)
        for one in (ALONE, Share(1, 2), Share(2, 2))
    ] == [
        (True, False),
        (True, True),
        (False, False),
    ]


def test_0_workers_are_one_for_each_core_we_may_use(tmp_path: Path) -> None:
    nothing = tmp_path / "cpu.max"

    assert worker_count(settings_with(workers=0), quota=nothing) == len(os.sched_getaffinity(0))
    assert worker_count(settings_with(workers=5), quota=nothing) == 5


@pytest.mark.parametrize(
    ("quota", "most"),
    [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("nonsense", None)],
    ids=["no limit", "one core", "half a core", "something else"],
)
def test_a_containers_limit_counts_too(quota: str, most: int | None, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota + "\n")

    assert cores(quota=file) == (most or len(os.sched_getaffinity(0)))
