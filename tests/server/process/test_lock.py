from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ptingest.errors import DataDirLocked
from ptingest.server.process import lock as locks
from ptingest.server.process.lock import DataDirLock


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
        "from ptingest.server.process.lock import DataDirLock\n"
        "DataDirLock(Path(sys.argv[1])).acquire()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    lock = DataDirLock(tmp_path)

    lock.acquire()

    assert ended.returncode == -9
    lock.release()


def test_a_directory_deleted_and_made_again_is_still_in_use(tmp_path: Path) -> None:
    first = DataDirLock(tmp_path / "data")
    first.acquire()
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "link").symlink_to(tmp_path / "data")

    for path in (tmp_path / "data", tmp_path / "link", tmp_path / "x" / ".." / "data"):
        with pytest.raises(DataDirLocked):
            DataDirLock(path).acquire()

    first.release()
    again = DataDirLock(tmp_path / "data")
    again.acquire()
    again.release()


def test_another_directory_is_not_in_use(tmp_path: Path) -> None:
    first, second = DataDirLock(tmp_path / "a"), DataDirLock(tmp_path / "b")

    first.acquire()
    second.acquire()

    first.release()
    second.release()


def test_a_name_that_another_user_took_keeps_nobody_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(locks, "_user_behind", lambda _: 4712)
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(locks._name_of(tmp_path))

        assert locks.claim(tmp_path) is None

    assert "user 4712 holds the socket name" in caplog.text


def test_the_lock_and_a_new_directory_are_for_their_owner_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        lock = DataDirLock(tmp_path / "data")
        lock.acquire()
    finally:
        os.umask(mask)

    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "lock").stat().st_mode & 0o777 == 0o600
    lock.release()
