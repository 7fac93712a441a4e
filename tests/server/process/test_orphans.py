"""Orphans, in a process that is made their next parent as process 1 is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ptingest.server.process.orphans import dead_children
from tests.support.waiting import PATIENCE_SECONDS

PROGRAM = """
import asyncio, ctypes, os, subprocess, sys
from pathlib import Path
from ptingest.server.event_loop.factory import loop_factory
from ptingest.server.process.orphans import reap_orphans

PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

async def main():
    reaping = asyncio.ensure_future(reap_orphans(every=0.05))
    ours = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(7)")
    parent = await asyncio.create_subprocess_shell("sh -c 'exit 5' & sh -c 'exit 6' & wait; true")
    orphan = subprocess.Popen(["sh", "-c", "sh -c 'sleep 0.2' & exit 0"])
    orphan.wait()
    print(await ours.wait(), await parent.wait())
    children = Path("/proc/self/task/%d/children" % os.getpid())
    while children.read_text():
        await asyncio.sleep(0.01)  # no race: looks until none is left
    reaping.cancel()
    print(repr(children.read_text()))

with asyncio.Runner(loop_factory=loop_factory()) as runner:
    runner.run(main())
"""


@pytest.mark.timeout(60)
def test_orphans_are_waited_for_and_our_own_children_keep_their_exit_code() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    assert ended.stdout == "7 0\n''\n", ended.stderr


def test_a_name_with_brackets_does_not_mislead(tmp_path: Path) -> None:
    for pid, state, parent in ((11, "Z", 1), (12, "S", 1), (13, "Z", 2)):
        (tmp_path / str(pid)).mkdir()
        text = f"{pid} (a) Z 1 (b) {state} {parent} 0 0"
        (tmp_path / str(pid) / "stat").write_text(text)
    (tmp_path / "14").mkdir()

    assert dead_children(1, tmp_path) == {11}
