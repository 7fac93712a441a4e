"""A part of a core for a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.core_share import CoreShare, NoShares, Throttled, core_share


def test_a_group_of_version_1_has_its_quota_and_leaves_again() -> None:
    root = Path("/sys/fs/cgroup")
    if not os.access(root / "cpu/cgroup.procs", os.W_OK):
        pytest.skip("no CPU controller of version 1 that we may write to")

    with core_share("test", 0.4):
        (folder,) = (root / "cpu").glob(f"ptingest-bench-{os.getpid()}-test")
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())

    assert quota / period == 0.4
    assert not folder.exists()


def test_a_group_of_version_2_is_asked_for_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f"ptingest-bench-{os.getpid()}-test"
    monkeypatch.setattr(Path, "rmdir", lambda _: None)  # a cgroup's files go with it

    with core_share("test", 0.4, root=tmp_path) as group:
        group.add(123)

    assert (folder / "cpu.max").read_text() == "2000 5000"
    assert (folder / "cgroup.procs").read_text() == "123"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu"


def test_where_no_group_can_be_made_it_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(NoShares, match=r"no CPU quota under .*: No such file or directory"),
        core_share("test", 0.4, root=tmp_path / "missing"),
    ):
        pass


def test_a_share_is_used_up_in_so_many_of_the_periods_since(tmp_path: Path) -> None:
    stat = tmp_path / "cpu.stat"
    stat.write_text("nr_periods 100\nnr_throttled 10\nthrottled_time 5\n")
    before = CoreShare(tmp_path).throttled()
    stat.write_text("nr_periods 300\nnr_throttled 160\nthrottled_time 9\n")

    late = CoreShare(tmp_path).throttled()

    assert late.since(before) == 0.75
    assert Throttled(5, 5).since(Throttled(5, 5)) == 0.0
