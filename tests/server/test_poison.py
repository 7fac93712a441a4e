"""A window that ends its worker each time is recognised, and its one event found."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ptingest.server.poison import REMEMBERED, TOLERATED, PoisonRecord, fingerprint
from tests.fakes.clock import ManualClock

CHUNK = [b'{"message":"a","agent":{"id":"x","name":"n"}}', b'{"message":"b"}', b'{"message":"c"}']


def worker(folder: Path, number: int = 1) -> PoisonRecord:
    """One process of that number, just begun."""
    record = PoisonRecord(folder, number, ManualClock())
    record.open()
    return record


def dies_in(folder: Path, chunk: list[bytes], *, is_split: bool = False, number: int = 1) -> None:
    """One process that is killed while it works on ``chunk``."""
    process = os.fork()
    if not process:
        with worker(folder, number).working_on(chunk, is_split=is_split):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)


def test_what_came_through_is_no_suspect(tmp_path: Path) -> None:
    for _ in range(TOLERATED + 1):
        record = worker(tmp_path)
        with record.working_on(CHUNK):
            pass
        record.close()

    assert not worker(tmp_path).is_suspect(CHUNK)


def test_a_chunk_that_ended_three_processes_is_a_suspect(tmp_path: Path) -> None:
    found = []
    for _ in range(TOLERATED):
        dies_in(tmp_path, CHUNK)
        record = worker(tmp_path)
        found.append(record.is_suspect(CHUNK))
        record.close()

    assert found == [False, False, True]


def test_the_one_event_that_ends_a_process_after_that_is_found_at_once(tmp_path: Path) -> None:
    for _ in range(TOLERATED):
        dies_in(tmp_path, CHUNK)
    dies_in(tmp_path, CHUNK[1:2], is_split=True)

    record = worker(tmp_path)

    assert [record.is_suspect([event]) for event in CHUNK] == [False, True, False]
    assert record.is_suspect(CHUNK)


def test_all_workers_know_of_it(tmp_path: Path) -> None:
    other = worker(tmp_path, 2)
    for number in (1, 3, 1):
        dies_in(tmp_path, CHUNK, number=number)
        worker(tmp_path, number).close()

    assert other.is_suspect(CHUNK)


def test_what_came_through_after_all_is_forgotten_by_all(tmp_path: Path) -> None:
    dies_in(tmp_path, CHUNK)
    record = worker(tmp_path)
    assert record.suspects

    with record.working_on(CHUNK):
        pass

    assert worker(tmp_path).suspects == {}


def test_members_in_another_order_are_the_same_event() -> None:
    again = b'{"agent":{"name":"n","id":"x"},"message":"a"}'

    assert fingerprint(CHUNK[0], 3) == fingerprint(again, 3)
    assert fingerprint(CHUNK[0], 3) != fingerprint(CHUNK[1], 3)
    assert fingerprint(CHUNK[0], 3) != fingerprint(CHUNK[0], 2)


def test_an_exception_counts_as_an_end(tmp_path: Path) -> None:
    record = worker(tmp_path)

    for _ in range(TOLERATED):
        with pytest.raises(ZeroDivisionError), record.working_on(CHUNK):
            raise ZeroDivisionError

    assert record.is_suspect(CHUNK)


def test_only_the_latest_are_remembered(tmp_path: Path) -> None:
    for number in range(REMEMBERED + 5):
        dies_in(tmp_path, [b"%d" % number])

    record = worker(tmp_path)

    assert len(record.suspects) == REMEMBERED
    assert fingerprint(b"0", 1) not in record.suspects


def test_half_a_table_counts_as_none(tmp_path: Path) -> None:
    dies_in(tmp_path, CHUNK)
    worker(tmp_path).close()
    (tmp_path / "suspects.json").write_text('{"abc', encoding="ascii")

    assert not worker(tmp_path).is_suspect(CHUNK)


def test_without_a_disk_events_are_taken_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = worker(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with record.working_on(CHUNK):
        pass

    assert not record.is_suspect(CHUNK)


def test_nothing_is_recorded_before_it_is_opened(tmp_path: Path) -> None:
    record = PoisonRecord(tmp_path / "none", 1, ManualClock())

    with record.working_on(CHUNK):
        pass

    assert not record.is_suspect(CHUNK)
    assert not (tmp_path / "none").exists()
