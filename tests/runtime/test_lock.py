from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ptingest.errors import DataDirLocked
from ptingest.runtime.lock import DataDirLock


def test_a_second_server_is_refused_and_told_which_directory(tmp_path: Path) -> None:
    first = DataDirLock(tmp_path / "data")
    first.acquire()

    with pytest.raises(DataDirLocked, match="data_dir"):
        DataDirLock(tmp_path / "data").acquire()

    first.release()
    again = DataDirLock(tmp_path / "data")
    again.acquire()
    again.release()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    program = (
        "import os, sys, signal\n"
        "from pathlib import Path\n"
        "from ptingest.runtime.lock import DataDirLock\n"
        "DataDirLock(Path(sys.argv[1])).acquire()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    lock = DataDirLock(tmp_path)

    lock.acquire()

    assert ended.returncode == -9
    lock.release()
