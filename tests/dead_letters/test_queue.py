"""A letter that was put is on disk whole, and is read back as it came."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ptingest.dead_letters.queue import (
    DeadLetters,
    LetterIds,
    decode_letter,
    encode_letter,
    find_letter,
    id_of,
    read_filed,
    read_letters,
)
from ptingest.errors import DeadLettersFull, DeadLettersShareFull, DeadLettersUnwritable
from ptingest.model.outcome import DeadLetter
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.clock import EPOCH_NS, ManualClock
from tests.support.waiting import PATIENCE_SECONDS, until

TIME = "2026-11-23T14:00:00.000Z"


def letter(number: int = 0, *, payload: bytes | None = None) -> DeadLetter:
    return DeadLetter(
        reason="mapping",
        detail="failed to parse field [a]",
        payload=b'{"message":"%d"}' % number if payload is None else payload,
        service="django",
        peer="192.0.2.7:51234",
        data_stream="logs-django-pt",
        key=f"key-{number}",
    )


@asynccontextmanager
async def opened(
    directory: Path, *, metrics: Metrics | None = None, **limits: object
) -> AsyncIterator[DeadLetters]:
    settings = DeadLettersSettings.model_validate(limits)
    letters = DeadLetters(directory, settings, ManualClock(), metrics or Metrics())
    yield letters
    await letters.close()


def segments_of(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.ndjson"))


def payloads(directory: Path) -> list[bytes]:
    return [stored.letter.payload for stored in read_letters(directory)]


texts = st.text(max_size=20)


@given(
    st.builds(
        DeadLetter,
        reason=texts,
        detail=texts,
        payload=st.binary(max_size=60),
        service=texts,
        peer=texts,
        data_stream=st.none() | texts,
        key=st.none() | texts,
        count=st.integers(1, 9),
    )
)
@settings(max_examples=200, deadline=None)
def test_a_letter_is_one_line_and_is_read_back_as_it_was(written: DeadLetter) -> None:
    line = encode_letter(written, letter_id="01", time=TIME)

    stored = decode_letter(line)

    assert line.count(b"\n") == 1
    assert stored is not None
    assert stored.letter == written
    assert stored.as_json() + b"\n" == line


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        pytest.param('{"message":"grün"}'.encode(), "payload", id="text stays text"),
        pytest.param(b"\xff\x00{", "payload_base64", id="what is not UTF-8 is base64"),
        pytest.param(b'\n"\\\x00', "payload", id="a newline does not end the line"),
    ],
)
def test_payloads_are_readable_where_they_can_be(payload: bytes, field: str) -> None:
    line = encode_letter(letter(payload=payload), letter_id="01", time=TIME)

    assert field in orjson.loads(line)
    assert decode_letter(line).letter.payload == payload  # type: ignore[union-attr]


@pytest.mark.parametrize("cut", [0, 1, 20, -2], ids="cut at {}".format)
def test_a_part_of_a_line_is_no_letter(cut: int) -> None:
    assert decode_letter(encode_letter(letter(), letter_id="01", time=TIME)[:cut]) is None


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"id": 5}, id="an id that is a number"),
        pytest.param({"id": "ż"}, id="an id that no mark can hold"),
        pytest.param({"id": "a\nb"}, id="an id of two lines"),
        pytest.param({"detail": None}, id="no detail"),
        pytest.param({"payload": ["x"]}, id="a payload that is a list"),
        pytest.param({"payload": None, "payload_base64": "żółć"}, id="base64 that is none"),
        pytest.param({"payload": None}, id="no payload"),
    ],
)
def test_a_line_of_other_types_than_ours_is_no_letter(fields: dict[str, Any]) -> None:
    record = orjson.loads(encode_letter(letter(), letter_id="01", time=TIME)) | fields

    assert decode_letter(orjson.dumps(record) + b"\n") is None


@pytest.mark.parametrize("line", [b"[" * 9999, b'{"id":"\xff"}\n', b'"payload"\n', b"null\n"])
def test_a_line_that_is_no_record_is_no_letter(line: bytes) -> None:
    assert decode_letter(line) is None


def test_ids_sort_as_they_were_made_also_when_the_clock_goes_back() -> None:
    ids = LetterIds()

    made = [ids.next_id(EPOCH_NS + step) for step in (0, 0, 1, 5_000_000, 1_000_000, 9_000_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {len(one) for one in made} == {26}


async def test_a_put_letter_can_be_read_without_a_server(tmp_path: Path) -> None:
    async with opened(tmp_path / "letters") as letters:
        await letters.put([letter(1), letter(2)])

        stored = list(read_letters(tmp_path / "letters"))

    assert [one.letter for one in stored] == [letter(1), letter(2)]
    assert stored[0].time == "2026-11-18T11:06:40.000Z"
    assert find_letter(tmp_path / "letters", stored[1].id) == stored[1]
    assert find_letter(tmp_path / "letters", "no such id") is None


def test_a_folder_that_is_not_there_holds_no_letters(tmp_path: Path) -> None:
    assert list(read_letters(tmp_path / "nothing")) == []


async def test_puts_at_the_same_time_are_all_kept_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as letters:
        await asyncio.gather(*(letters.put([letter(n), letter(n)]) for n in range(50)))

    assert sorted(payloads(tmp_path)) == sorted(2 * [letter(n).payload for n in range(50)])
    assert len({stored.id for stored in read_letters(tmp_path)}) == 100


async def test_full_dead_letters_refuse_whole_puts_until_there_is_room(tmp_path: Path) -> None:
    size = len(encode_letter(letter(), letter_id="x" * 26, time=TIME))
    async with opened(tmp_path, max_bytes=size * 3) as letters:
        await letters.put([letter(1)])
        with pytest.raises(DeadLettersFull, match=r"dead_letters\.max_bytes") as caught:
            await letters.put([letter(3), letter(4), letter(6)])
        trouble = letters.trouble
        for segment in segments_of(tmp_path):
            segment.unlink()
        await letters.tidy()
        cured = letters.trouble
        await letters.put([letter(5)])

    assert caught.value.limit == size * 3
    assert trouble is not None
    assert "purge" in trouble
    assert cured is None
    assert payloads(tmp_path) == [letter(5).payload]


def of_peer(peer: str, number: int = 0, payload: bytes | None = None) -> DeadLetter:
    return replace(letter(number, payload=payload), peer=peer)


async def test_one_peer_never_takes_the_room_of_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(encode_letter(letter(), letter_id="x" * 26, time=TIME))
    kept: dict[str, int] = {}
    async with opened(tmp_path, max_bytes=size * 32) as letters:
        for peer in ("192.0.2.7", "192.0.2.8", "192.0.2.9"):
            for port in range(100):  # another connection is the same peer
                try:
                    await letters.put([of_peer(f"{peer}:{port}")])
                except DeadLettersShareFull:
                    break
                kept[peer] = kept.get(peer, 0) + 1
        shown = letters.by_peer
        trouble = letters.trouble
        await letters.put([of_peer("203.0.113.1:1")])

    assert list(kept.values()) == [16, 8, 4]
    assert {peer: held > size for peer, held in shown.items()} == dict.fromkeys(kept, True)
    assert trouble is None
    assert caplog.text.count("dead letters of 192.0.2") == 1


async def test_in_one_write_only_the_peer_with_too_much_is_refused(tmp_path: Path) -> None:
    size = len(encode_letter(letter(), letter_id="x" * 26, time=TIME))
    async with opened(tmp_path, max_bytes=size * 10) as letters:
        puts = [[of_peer("192.0.2.7:1", n) for n in range(6)]]
        puts += [[of_peer(f"192.0.2.{n}:1")] for n in (8, 9)]
        results = await asyncio.gather(*map(letters.put, puts), return_exceptions=True)

    assert [type(one) for one in results] == [DeadLettersShareFull, type(None), type(None)]
    assert len(payloads(tmp_path)) == 2


async def test_shares_are_known_after_a_restart_and_given_back_by_a_purge(tmp_path: Path) -> None:
    size = len(encode_letter(letter(), letter_id="x" * 26, time=TIME))
    async with opened(tmp_path, max_bytes=size * 8) as letters:
        await letters.put([of_peer("192.0.2.7:1", n) for n in range(3)])

    async with opened(tmp_path, max_bytes=size * 8) as letters:
        with pytest.raises(DeadLettersShareFull):
            await letters.put([of_peer("192.0.2.7:2", n) for n in range(2)])
        await letters.mark_done(list(read_filed(tmp_path)))
        await letters.put([of_peer("192.0.2.7:2", n) for n in range(2)])

    assert len(payloads(tmp_path)) == 2


async def test_where_the_oldest_are_dropped_no_peer_is_held_up(tmp_path: Path) -> None:
    size = len(encode_letter(letter(), letter_id="x" * 26, time=TIME))
    async with opened(tmp_path, max_bytes=size * 9, when_full="drop_oldest") as letters:
        for number in range(30):
            await letters.put([of_peer("192.0.2.7:1", number)])

    assert payloads(tmp_path)[-1] == letter(29).payload


async def test_empty_events_that_come_together_are_one_letter(tmp_path: Path) -> None:
    empty = [replace(letter(payload=b""), key=None) for _ in range(1000)]
    async with opened(tmp_path) as letters:
        await letters.put([letter(1), *empty, letter(2), replace(empty[0], peer="192.0.2.8:1")])

        stored = [one.letter for one in read_letters(tmp_path)]

    assert [(one.payload, one.count) for one in stored] == [
        (letter(1).payload, 1),
        (letter(2).payload, 1),
        (b"", 1000),
        (b"", 1),
    ]
    assert sum(path.stat().st_size for path in segments_of(tmp_path)) < 2000


async def test_the_oldest_are_dropped_and_counted_where_that_is_allowed(tmp_path: Path) -> None:
    metrics = Metrics()
    size = len(encode_letter(letter(), letter_id="x" * 26, time=TIME))
    limits = {"max_bytes": size * 10, "when_full": "drop_oldest"}
    async with opened(tmp_path, metrics=metrics, **limits) as letters:
        for number in range(10, 40):
            await letters.put([letter(number)])
        metrics.refresh()

        kept = payloads(tmp_path)
        assert letter(39).payload in kept
        assert len(kept) <= 10
        dropped = metrics.value("ptingest_dead_letters_dropped_events_total", "pushed_out")
        assert dropped + len(kept) == 30
        assert metrics.value("ptingest_dead_letters_waiting_events") == len(kept)
        on_disk = sum(path.stat().st_size for path in segments_of(tmp_path))
        assert metrics.value("ptingest_dead_letters_bytes") == on_disk <= size * 10


async def test_a_letter_larger_than_the_limit_is_never_kept_by_dropping_all(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, max_bytes=2000, when_full="drop_oldest") as letters:
        with pytest.raises(DeadLettersFull):
            await letters.put([letter(payload=b"x" * 3000)])


async def test_letters_too_old_are_deleted_and_counted(tmp_path: Path) -> None:
    metrics = Metrics()
    async with opened(tmp_path, metrics=metrics, max_age_days=1) as letters:
        await letters.put([letter(1)])
        (segment,) = segments_of(tmp_path)
        old = EPOCH_NS / 1e9 - 2 * 86_400
        os.utime(segment, (old, old))
        await letters.put([letter(2)])

    assert payloads(tmp_path) == [letter(2).payload]
    assert metrics.value("ptingest_dead_letters_dropped_events_total", "expired") == 1


async def test_a_torn_tail_is_moved_aside_at_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as letters:
        await letters.put([letter(1)])
    (segment,) = segments_of(tmp_path)
    with segment.open("ab") as file:
        file.write(b'{"id":"torn","payload":"half')

    async with opened(tmp_path) as letters:
        await letters.open()
        await letters.put([letter(2)])

    assert payloads(tmp_path) == [letter(1).payload, letter(2).payload]
    aside = segment.with_name(segment.name + ".torn")
    assert aside.read_bytes() == b'{"id":"torn","payload":"half'
    assert segment.read_bytes().endswith(b"\n")
    assert "28 bytes" in caplog.text


async def test_a_line_of_rubbish_does_not_hide_the_letters_behind_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as letters:
        await letters.put([letter(1)])
    (segment,) = segments_of(tmp_path)
    segment.write_bytes(b"rubbish\n" + segment.read_bytes())

    assert payloads(tmp_path) == [letter(1).payload]
    assert "is not a dead letter" in caplog.text


async def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with opened(tmp_path / "file" / "letters") as letters:
        with pytest.raises(DeadLettersUnwritable, match="Not a directory"):
            await letters.open()
        with pytest.raises(DeadLettersUnwritable, match="will be resent"):
            await letters.put([letter()])

        assert letters.trouble is not None


async def test_a_passing_failure_is_over_without_another_letter(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("in the way")
    async with opened(in_the_way / "letters") as letters:
        with pytest.raises(DeadLettersUnwritable):
            await letters.put([letter()])

        await letters.tidy()
        while_it_lasts = letters.trouble
        in_the_way.unlink()
        await letters.tidy()

        assert while_it_lasts is not None
        assert letters.trouble is None
        assert list((in_the_way / "letters").iterdir()) == []


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from ptingest.dead_letters.queue import DeadLetters, read_letters
from ptingest.errors import DeadLettersUnwritable
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.telemetry.metrics import Metrics
from tests.dead_letters.test_queue import letter
from tests.fakes.clock import ManualClock

async def main(directory):
    letters = DeadLetters(directory, DeadLettersSettings(), ManualClock(), Metrics())
    await letters.put([letter(1)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        await letters.put([letter(2, payload=b"x" * 3000), letter(3, payload=b"y" * 3000)])
    except DeadLettersUnwritable as error:
        print(error)
    print(letters.trouble is not None)
    await letters.tidy()
    print(letters.trouble is not None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await letters.tidy()
    print(letters.trouble is None)
    await letters.put([letter(4)])
    await letters.close()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.timeout(30)
def test_a_disk_that_fills_in_mid_write_leaves_whole_letters_only(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    error, in_trouble, still_in_trouble, cured = run.stdout.splitlines()
    assert "File too large" in error
    assert (in_trouble, still_in_trouble, cured) == ("True", "True", "True")
    assert payloads(tmp_path) == [letter(1).payload, letter(4).payload]
    for segment in segments_of(tmp_path):
        assert all(decode_letter(line) for line in segment.read_bytes().splitlines(keepends=True))


KILLED = """
import asyncio, sys
from pathlib import Path
from ptingest.dead_letters.queue import DeadLetters
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.telemetry.metrics import Metrics
from tests.dead_letters.test_queue import letter
from tests.fakes.clock import ManualClock

async def main(directory):
    letters = DeadLetters(directory, DeadLettersSettings(), ManualClock(), Metrics())
    for number in range(100_000):
        await letters.put([letter(number)])
        print(number, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.timeout(30)
async def test_kill_9_loses_nothing_that_was_put(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED,
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    promised = [await process.stdout.readline() for _ in range(20)]
    process.kill()
    promised += (await process.stdout.read()).splitlines()
    await process.wait()
    whole = {line.strip() for line in promised if line.strip()}

    async with opened(tmp_path) as letters:
        await letters.open()

    kept = {stored.letter.payload for stored in read_letters(tmp_path)}
    assert {letter(int(number)).payload for number in whole} <= kept


async def test_what_is_done_is_not_read_again_unless_asked_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as letters:
        await letters.put([letter(1), letter(2), letter(3)])
        first, second, third = read_filed(tmp_path)

        await letters.mark_done([second])

        assert [one.letter for one in read_letters(tmp_path)] == [letter(1), letter(3)]
        assert len(list(read_letters(tmp_path, with_done=True))) == 3
        assert find_letter(tmp_path, second.stored.id) == second.stored
        await letters.tidy()
        assert letters.waiting == 2

        await letters.mark_done([first, third])
        await letters.sweep()

        assert segments_of(tmp_path) == []
        assert (letters.waiting, letters.bytes) == (0, 0)
        await letters.put([letter(4)])
    assert payloads(tmp_path) == [letter(4).payload]


async def test_letters_written_since_are_left_out_of_a_reading(tmp_path: Path) -> None:
    async with opened(tmp_path) as letters:
        await letters.put([letter(1), letter(2)])
        reading = read_filed(tmp_path)
        first = next(reading)
        await letters.put([letter(3)])

        rest = list(reading)

    assert [one.stored.letter for one in (first, *rest)] == [letter(1), letter(2)]


async def test_purged_letters_make_room_for_new_ones(tmp_path: Path) -> None:
    size = len(encode_letter(letter(), letter_id="x" * 26, time=TIME))
    async with opened(tmp_path, max_bytes=size * 6) as letters:
        await letters.put([letter(1), letter(2), letter(3)])
        with pytest.raises(DeadLettersFull):
            await letters.put([letter(4)] * 4)
        in_trouble = letters.trouble

        await letters.mark_done(list(read_filed(tmp_path))[:2])
        await letters.sweep()

        assert in_trouble is not None
        assert letters.trouble is None
        await letters.put([letter(4)])
    assert payloads(tmp_path) == [letter(3).payload, letter(4).payload]


@pytest.mark.parametrize("when", ["tidy", "put"])
async def test_a_limit_lowered_below_what_is_there_is_trouble_and_no_crash(
    tmp_path: Path, when: str
) -> None:
    async with opened(tmp_path) as letters:
        await letters.put([letter(1), letter(2)])

    async with opened(tmp_path, max_bytes=20) as letters:
        if when == "tidy":
            await letters.tidy()
        else:
            with pytest.raises(DeadLettersFull):
                await letters.put([letter(3)])

        assert letters.trouble is not None
        assert "dead_letters.max_bytes" in letters.trouble
    assert len(payloads(tmp_path)) == 2


class HangingClock(ManualClock):
    """Stands for a disk that hangs: the thread that writes waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def time_ns(self) -> int:
        self.goes_on.wait()
        return super().time_ns()


async def test_a_write_that_hangs_is_told_and_forgotten_when_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HangingClock()
    letters = DeadLetters(tmp_path, DeadLettersSettings(), clock, Metrics(), slow_seconds=0.01)
    putting = asyncio.ensure_future(letters.put([letter(1)]))
    told = await until(lambda: letters.trouble)

    clock.goes_on.set()
    await putting

    assert "has not returned for 0.01 s" in told
    assert told in caplog.text
    assert letters.trouble is None
    await letters.close()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            encode_letter(letter(), letter_id="x" * 26, time=TIME), "x" * 26, id="as we write it"
        ),
        pytest.param(
            b" " + encode_letter(letter(), letter_id="x", time=TIME), "x", id="as others may"
        ),
        pytest.param(b"rubbish\n", None, id="no letter"),
    ],
)
def test_the_id_of_a_line(line: bytes, expected: str | None) -> None:
    assert id_of(line) == expected
