"""The files in the folder, compared with those that a connection has open."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptingest.sinks.store.files import StoreFiles
from ptingest.sinks.store.schema import open_writer


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "store.sqlite"
    connection = open_writer(path)
    yield path
    connection.close()


@pytest.fixture
def files(path: Path) -> Iterator[StoreFiles]:
    files = StoreFiles(path)
    files.note()
    yield files
    files.close()


def test_what_was_noted_is_sound(files: StoreFiles) -> None:
    assert (files.are_same, files.is_store_same, files.is_cut, files.are_sound) == (
        True,
        True,
        False,
        True,
    )


@pytest.mark.parametrize(("suffix", "is_store_same"), [("", False), ("-wal", True), ("-shm", True)])
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_what_was_removed_or_replaced_is_seen(
    how: str, suffix: str, is_store_same: bool, path: Path, files: StoreFiles
) -> None:
    file = path.with_name(path.name + suffix)
    if how == "replaced":
        (path.parent / "copy").write_bytes(file.read_bytes())
        (path.parent / "copy").replace(file)
    else:
        file.unlink()

    assert (files.are_same, files.is_store_same) == (False, is_store_same)
    assert not files.are_sound


@pytest.mark.parametrize("size", [0, 50, 4096])
def test_a_file_that_was_cut_is_seen(size: int, path: Path, files: StoreFiles) -> None:
    os.truncate(path, size)

    assert files.is_cut
    assert files.are_same


def test_a_file_whose_last_pages_are_still_in_its_log_is_not_cut(
    path: Path, files: StoreFiles
) -> None:
    # A checkpoint wrote the header and found no space for the rest.
    with path.open("r+b") as file:
        file.seek(28)
        file.write((1 << 20).to_bytes(4, "big"))

    assert path.with_name(path.name + "-wal").stat().st_size > 0
    assert not files.is_cut

    os.truncate(path, path.stat().st_size - 4096)
    assert files.is_cut


def test_looking_ends_no_lock_of_sqlite(path: Path, files: StoreFiles) -> None:
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM documents").fetchall()
    locks = Path("/proc/locks")
    if not locks.exists():
        pytest.skip("no /proc/locks here")
    inode = f":{path.stat().st_ino} "

    def held() -> list[str]:
        # Without its number, which changes with the locks of other programs.
        lines = locks.read_text().splitlines()
        return [line.partition(": ")[2] for line in lines if inode in line]

    before = held()

    for _ in range(3):
        assert files.are_sound
        files.note()

    assert before
    assert held() == before
    reader.close()
