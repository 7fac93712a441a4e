"""A part of a core for a process, and no more: the kernel's CPU quota, version 1 or 2.

Two workers can only be compared with one where cores are free for both. Who gets a fixed
part of a core, in periods of a few milliseconds, finds it free as long as the others leave as
much; so two cores are enough to see what two workers are worth.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 5_000
NICE = -15
"""Of everybody who takes part, see `come_first`."""
_SHARES, _WEIGHT = 40_960, 4_000
"""Forty times an ordinary process's, in the words of version 1 and 2: as far as its quota goes
a group comes first."""


def come_first() -> None:
    """Let this process and its children run before the machine's other work, where we may.

    What is limited by a quota is measured wrongly when somebody else has the core meanwhile.
    """
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


class NoShares(Exception):
    """The kernel gives no quotas here, or not to us."""


class Throttled(NamedTuple):
    """How often the quota was used up."""

    periods: int
    """In which it ran at all."""
    used_up: int

    def since(self, before: Throttled) -> float:
        """The share of periods since then in which the quota was used up, 0 to 1."""
        periods = self.periods - before.periods
        return (self.used_up - before.used_up) / periods if periods else 0.0


class CoreShare:
    """A group of processes that together get so much of a core."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, pid: int) -> None:
        """Put a process, with all its threads, under the quota."""
        (self._folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def throttled(self) -> Throttled:
        """What the kernel counted so far."""
        lines = (self._folder / "cpu.stat").read_text(encoding="ascii").splitlines()
        facts = {name: int(value) for name, _, value in (line.partition(" ") for line in lines)}
        return Throttled(facts["nr_periods"], facts["nr_throttled"])


@contextmanager
def core_share(name: str, share: float, *, root: Path = ROOT) -> Iterator[CoreShare]:
    """Make a group that gets ``share`` (0 to 1) of one core; removed at the end.

    Its processes must have ended by then, else it stays, and says so.

    Raises:
        NoShares: no quota can be had, with the kernel's reason.
    """
    quota = round(PERIOD_US * share)
    try:
        folder = _make(root, f"ptingest-bench-{os.getpid()}-{name}", quota)
    except OSError as error:
        raise NoShares(f"no CPU quota under {root}: {error.strerror} ({error.filename})") from None
    try:
        yield CoreShare(folder)
    finally:
        folder.rmdir()


def _make(root: Path, name: str, quota: int) -> Path:
    old = root / "cpu"
    is_old = (old / "cpu.cfs_quota_us").exists() or (old / "cgroup.procs").exists()
    folder = (old if is_old else root) / name
    folder.mkdir()
    try:
        if is_old:
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US), encoding="ascii")
            (folder / "cpu.cfs_quota_us").write_text(str(quota), encoding="ascii")
            (folder / "cpu.shares").write_text(str(_SHARES), encoding="ascii")
        else:
            (root / "cgroup.subtree_control").write_text("+cpu", encoding="ascii")
            (folder / "cpu.max").write_text(f"{quota} {PERIOD_US}", encoding="ascii")
            (folder / "cpu.weight").write_text(str(_WEIGHT), encoding="ascii")
    except OSError:
        with suppress(OSError):
            folder.rmdir()
        raise
    return folder
