"""Segments end with a whole line as long as their writer lives, and after the next start."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.dead_letters.segments import SegmentWriter, mend, segments, whole_bytes
from ptingest.errors import DeadLettersFull, DeadLettersUnwritable
from ptingest.settings.delivery import DeadLettersSettings
from tests.fakes.clock import ManualClock
from tests.support.waiting import PATIENCE_SECONDS


def is_whole(line: bytes) -> bool:
    return line.startswith(b"<") and line.endswith(b">\n")


def writer(
    directory: Path, *, clock: ManualClock | None = None, segment_bytes: int = 100, **limits: object
) -> SegmentWriter:
    return SegmentWriter(
        directory,
        DeadLettersSettings.model_validate(limits),
        clock or ManualClock(),
        segment_bytes=segment_bytes,
        is_whole=is_whole,
    )


def content(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in segments(directory)]


def test_a_segment_is_rolled_by_size_and_by_day(tmp_path: Path) -> None:
    clock = ManualClock()
    one = writer(tmp_path, clock=clock, segment_bytes=10)

    for line in (b"<12345>\n", b"<1>\n", b"<2>\n"):
        one.append([line], 1)
    clock.advance(2 * 86_400)
    one.append([b"<3>\n"], 1)
    one.close()

    assert content(tmp_path) == [b"<12345>\n<1>\n", b"<2>\n", b"<3>\n"]
    assert (one.bytes, one.lines) == (20, 4)


def test_each_writer_has_its_own_segment(tmp_path: Path) -> None:
    one, other = writer(tmp_path, clock=ManualClock(time_ns=10**18)), writer(tmp_path)

    one.append([b"<1>\n"], 1)
    other.append([b"<2>\n"], 1)
    one.append([b"<3>\n"], 1)

    assert content(tmp_path) == [b"<1>\n<3>\n", b"<2>\n"]
    one.close()
    other.close()


@given(
    st.lists(st.sampled_from([b"<1>\n", b"<22>\n", b"rubbish\n"]), max_size=5),
    st.sampled_from([b"", b"<", b"<1", b"\x00\x00", b"\x00\n\x00\n", b"<1>"]),
)
@settings(max_examples=100, deadline=None)
def test_what_is_after_the_last_whole_line_is_found(lines: list[bytes], tail: bytes) -> None:
    while lines and not is_whole(lines[-1]):
        tail = lines.pop() + tail
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(lines) + tail)
        file.flush()

        assert whole_bytes(Path(file.name), is_whole) == sum(map(len, lines))


def test_a_living_writers_segment_is_not_mended(tmp_path: Path) -> None:
    path = tmp_path / "segment.ndjson"
    path.write_bytes(b"<1>\n<half")
    with path.open("rb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)

        assert mend(path, is_whole) == 0
    assert mend(path, is_whole) == 5
    assert path.read_bytes() == b"<1>\n"
    assert (tmp_path / "segment.ndjson.torn").read_bytes() == b"<half"


def test_bytes_of_other_writers_count_against_the_limit(tmp_path: Path) -> None:
    one = writer(tmp_path, max_bytes=10)
    one.append([b"<1>\n"], 1)
    (tmp_path / "00000000T000000.ndjson").write_bytes(b"<4567>\n")

    with pytest.raises(DeadLettersFull) as caught:
        one.make_room(4)

    assert caught.value.wanted == 15
    assert one.lines == 2
    one.close()


def test_dropping_spares_what_another_writer_still_appends_to(tmp_path: Path) -> None:
    other = writer(tmp_path, clock=ManualClock(time_ns=10**18))
    other.append([b"<other>\n"], 1)
    one = writer(tmp_path, max_bytes=12, when_full="drop_oldest", segment_bytes=1)
    one.append([b"<1>\n"], 1)

    one.make_room(4)
    one.append([b"<2>\n"], 1)

    assert content(tmp_path) == [b"<other>\n", b"<2>\n"]
    assert one.take_dropped() == {"pushed_out": 1}
    assert one.take_dropped() == {}
    one.close()
    other.close()


def test_a_segment_purged_under_the_writer_is_not_written_on(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.append([b"<1>\n"], 1)
    segments(tmp_path)[0].unlink()

    one.append([b"<2>\n"], 1)

    assert content(tmp_path) == [b"<2>\n"]
    one.close()


def test_a_full_device_is_an_error_that_says_so(tmp_path: Path) -> None:
    one = writer(tmp_path)
    device = os.open("/dev/full", os.O_WRONLY)
    one.append([b"<1>\n"], 1)
    os.dup2(device, one.descriptor)
    os.close(device)

    with pytest.raises(DeadLettersUnwritable, match=os.strerror(errno.ENOSPC)):
        one.append([b"<2>\n"], 1)
    one.append([b"<3>\n"], 1)

    assert content(tmp_path) == [b"<1>\n", b"<3>\n"]
    one.close()


def letter_id(line: bytes) -> str:
    return line.decode().strip("<>\n")


def marking_writer(directory: Path, **limits: object) -> SegmentWriter:
    return SegmentWriter(
        directory,
        DeadLettersSettings.model_validate(limits),
        ManualClock(),
        segment_bytes=100,
        is_whole=is_whole,
        id_of=letter_id,
    )


def test_what_is_done_does_not_wait_any_more_but_takes_its_room(tmp_path: Path) -> None:
    one = marking_writer(tmp_path)
    one.append([b"<1>\n<2>\n"], 2)

    one.mark({segments(tmp_path)[0]: ["1"]})
    one.count()

    assert one.lines == 1
    assert one.bytes == sum(path.stat().st_size for path in tmp_path.iterdir()) == 10
    one.close()


def test_a_full_folder_gives_back_what_is_done_before_it_refuses(tmp_path: Path) -> None:
    one = marking_writer(tmp_path, max_bytes=14)
    one.append([b"<1>\n<2>\n"], 2)
    one.mark({segments(tmp_path)[0]: ["1"]})

    one.make_room(8)
    one.append([b"<3>\n<4>\n"], 2)

    assert content(tmp_path) == [b"<2>\n", b"<3>\n<4>\n"]
    assert one.lines == 3
    one.close()


def test_only_letters_that_waited_count_as_pushed_out(tmp_path: Path) -> None:
    one = marking_writer(tmp_path, max_bytes=20, when_full="drop_oldest")
    one.append([b"<1>\n<2>\n"], 2)
    one.close()
    one.mark({segments(tmp_path)[0]: ["1"]})

    one.make_room(18)

    assert one.take_dropped() == {"pushed_out": 1}
    assert list(tmp_path.iterdir()) == []


def test_a_segment_takes_its_marks_and_torn_tail_along(tmp_path: Path) -> None:
    old = tmp_path / "00000000T000000.ndjson"
    old.write_bytes(b"<1>\n<half")
    one = marking_writer(tmp_path, max_age_days=1)
    one.open()
    one.mark({old: ["1"]})
    torn = old.with_name(old.name + ".torn")
    assert torn.read_bytes() == b"<half"
    assert one.bytes == 9
    os.utime(old, (0, 0))

    one.count()

    assert list(tmp_path.iterdir()) == []
    assert one.take_dropped() == {"expired": 0}


def test_a_segment_gone_meanwhile_gets_no_marks(tmp_path: Path) -> None:
    one = marking_writer(tmp_path)
    one.open()

    one.mark({tmp_path / "gone.ndjson": ["1"]})

    assert list(tmp_path.iterdir()) == []


def test_a_sweep_cut_short_leaves_nothing_behind_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "0.ndjson").write_bytes(b"<1>\n<2>\n")
    (tmp_path / "0.ndjson.new").write_bytes(b"<2>\n")

    marking_writer(tmp_path).open()

    assert [path.name for path in tmp_path.iterdir()] == ["0.ndjson"]


def test_the_segment_being_written_is_swept_too(tmp_path: Path) -> None:
    one = marking_writer(tmp_path)
    one.append([b"<1>\n<2>\n"], 2)
    one.mark({segments(tmp_path)[0]: ["2"]})

    one.sweep()
    one.append([b"<3>\n"], 1)

    assert content(tmp_path) == [b"<1>\n", b"<3>\n"]
    one.close()


def test_who_has_the_turn_keeps_the_others_waiting(tmp_path: Path) -> None:
    one, other = writer(tmp_path), writer(tmp_path, clock=ManualClock(time_ns=10**18))
    done: list[str] = []

    def append() -> None:
        other.append([b"<2>\n"], 1)
        done.append("other")

    with one.locked():
        thread = threading.Thread(target=append)
        thread.start()
        one.make_room(4)
        one.append([b"<1>\n"], 1)  # the same turn, held by us
        thread.join(0.2)
        done.append("one")
    thread.join(PATIENCE_SECONDS)

    assert done == ["one", "other"]
    for each in (one, other):
        each.close()


def test_the_room_that_one_has_found_is_not_taken_by_another(tmp_path: Path) -> None:
    writers = [writer(tmp_path, clock=ManualClock(time_ns=10**18 + n * 10**6), max_bytes=40)
               for n in (1, 2, 3)]  # fmt: skip
    refused = []

    def fill(one: SegmentWriter) -> None:
        for _ in range(10):
            try:
                with one.locked():
                    one.make_room(4)
                    one.append([b"<1>\n"], 1)
            except DeadLettersFull as problem:
                refused.append(problem)

    threads = [threading.Thread(target=fill, args=(one,)) for one in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    for one in writers:
        one.close()

    assert sum(map(len, content(tmp_path))) == 40
    assert len(refused) == 20


def test_a_folder_that_cannot_be_locked_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "dead_letters").write_text("no folder")

    with pytest.raises(DeadLettersUnwritable), writer(tmp_path / "dead_letters").locked():
        pass
