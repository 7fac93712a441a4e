"""Marks survive a crash at any moment: a letter goes twice at worst, and never missing."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.dead_letters.occupancy import count_lines
from ptingest.dead_letters.tombstones import add_marks, done_path, marks_of, sweep
from tests.support import scratch
from tests.support.waiting import PATIENCE_SECONDS

IDS = [f"{number:026d}" for number in range(6)]


def id_of(line: bytes) -> str | None:
    return line[1:27].decode() if line.startswith(b"<") and line.endswith(b">\n") else None


def line(letter_id: str) -> bytes:
    return b"<" + letter_id.encode() + b">\n"


def unmarked(segment: Path) -> int:
    marks = marks_of(segment)
    return count_lines(segment, 0, marks=marks, id_of=id_of, whose=lambda _: "")[0]


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    path = tmp_path / "s.ndjson"
    path.write_bytes(b"".join(map(line, IDS)))
    return path


def test_no_marks_means_nothing_is_done(segment: Path) -> None:
    assert marks_of(segment) == frozenset()


def test_marks_add_up(segment: Path) -> None:
    add_marks(segment, IDS[:2])
    add_marks(segment, IDS[2:3])

    assert marks_of(segment) == set(IDS[:3])
    assert unmarked(segment) == 3


@pytest.mark.parametrize("cut", range(2, 28), ids="{} bytes lost".format)
def test_a_torn_mark_is_no_mark_and_spoils_no_other(segment: Path, cut: int) -> None:
    add_marks(segment, IDS[:2])
    path = done_path(segment)
    os.truncate(path, path.stat().st_size - cut)

    torn = marks_of(segment)
    add_marks(segment, IDS[3:4])

    assert torn == set(IDS[:1])
    assert marks_of(segment) & set(IDS) == {IDS[0], IDS[3]}


@given(st.binary(max_size=80))
@settings(max_examples=60, deadline=None)
def test_rubbish_in_the_marks_hides_no_letter(rubbish: bytes) -> None:
    segment = scratch.empty("marks") / "s.ndjson"
    segment.write_bytes(b"".join(map(line, IDS)))
    done_path(segment).write_bytes(rubbish)
    known = set(IDS) & {part.decode("ascii", "replace") for part in rubbish.split(b"\n")}

    add_marks(segment, IDS[:1])
    sweep(segment, id_of)

    left = [id_of(one) for one in segment.read_bytes().splitlines(keepends=True)]
    assert left == [one for one in IDS[1:] if one not in known]


def test_a_sweep_keeps_what_is_not_done_in_order_and_its_age(segment: Path) -> None:
    os.utime(segment, ns=(10**18, 10**18))
    segment.chmod(0o640)
    add_marks(segment, [IDS[0], IDS[3]])

    swept = sweep(segment, id_of)

    assert swept
    assert segment.read_bytes() == b"".join(map(line, [IDS[1], IDS[2], IDS[4], IDS[5]]))
    assert segment.stat().st_mtime_ns == 10**18
    assert segment.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in segment.parent.iterdir()) == ["s.ndjson"]


def test_a_segment_whose_letters_are_all_done_is_deleted(segment: Path) -> None:
    add_marks(segment, IDS)

    sweep(segment, id_of)

    assert list(segment.parent.iterdir()) == []


def test_lines_that_are_no_letters_stay(segment: Path) -> None:
    segment.write_bytes(b"rubbish\n" + segment.read_bytes())
    add_marks(segment, IDS)

    sweep(segment, id_of)

    assert segment.read_bytes() == b"rubbish\n"


def test_a_segment_that_is_still_written_is_left_alone(segment: Path) -> None:
    add_marks(segment, IDS)
    with segment.open("rb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)

        assert not sweep(segment, id_of)

    assert segment.exists()
    assert marks_of(segment) == set(IDS)


def test_marks_left_behind_by_a_crash_match_nothing(segment: Path) -> None:
    add_marks(segment, IDS[:3])
    marks = done_path(segment).read_bytes()
    sweep(segment, id_of)
    done_path(segment).write_bytes(marks)  # the crash came before they were deleted

    assert unmarked(segment) == 3


FULL = """
import resource, sys
from pathlib import Path
from ptingest.dead_letters.tombstones import sweep
from tests.dead_letters.test_tombstones import id_of
resource.setrlimit(resource.RLIMIT_FSIZE, (30, 30))
try:
    sweep(Path(sys.argv[1]), id_of)
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.timeout(60)
def test_a_sweep_without_room_changes_nothing(segment: Path) -> None:
    add_marks(segment, IDS[:1])
    before = segment.read_bytes()

    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(segment)],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
        cwd=Path(__file__).parents[2],
    )

    assert ran.stdout == "File too large\n"
    assert segment.read_bytes() == before
    assert marks_of(segment) == {IDS[0]}
    assert sorted(path.suffix for path in segment.parent.iterdir()) == [".done", ".ndjson"]
