"""All bytes are written."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from ptingest.model.disk import sync_folder, write_all


def test_more_than_a_pipe_takes_at_once_is_written_whole() -> None:
    reader, writer = os.pipe()
    data, got = bytes(range(256)) * 4096, bytearray()

    def read() -> None:
        while piece := os.read(reader, 1 << 16):
            got.extend(piece)

    thread = Thread(target=read)
    thread.start()
    write_all(writer, data)
    os.close(writer)
    thread.join()
    os.close(reader)

    assert got == data


def test_only_a_folder_can_be_synced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    sync_folder(tmp_path)

    with pytest.raises(NotADirectoryError):
        sync_folder(file)
