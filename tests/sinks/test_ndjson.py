from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ptingest.settings.sinks import NdjsonSettings
from ptingest.sinks.ndjson import NdjsonSink
from tests.support.store_documents import messages, raw_document

MakeSink = Callable[..., NdjsonSink]


@pytest.fixture
async def make_sink(tmp_path: Path) -> AsyncIterator[MakeSink]:
    made: list[NdjsonSink] = []

    def make(**settings: object) -> NdjsonSink:
        made.append(NdjsonSink(NdjsonSettings(**settings), path=tmp_path / "out.ndjson"))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for sink in made:
        await sink.close()


async def test_each_body_becomes_a_line(make_sink: MakeSink, tmp_path: Path) -> None:
    bodies = [b'{"a":1}', '{"b":"żółć"}'.encode()]

    result = await make_sink().write([raw_document(body) for body in bodies], frozenset())

    assert (result.busy, result.doubtful, result.trouble) == ((), (), None)
    assert (tmp_path / "out.ndjson").read_bytes().splitlines() == bodies


async def test_a_later_sink_continues_the_file(make_sink: MakeSink, tmp_path: Path) -> None:
    first = make_sink()
    await first.write(messages("a"), frozenset())
    await first.close()

    await make_sink().write(messages("b"), frozenset())

    assert (tmp_path / "out.ndjson").read_bytes() == b'{"message":"a"}\n{"message":"b"}\n'


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        pytest.param(b'{"a":1}\n{"b', b'{"a":1}\n', id="half a line is cut"),
        pytest.param(b'{"b', b"", id="half a first line too"),
        pytest.param(b'{"a":1}\n', b'{"a":1}\n', id="a whole end stays"),
        pytest.param(b'{"a":1}\n' + b"x" * 200_000, b'{"a":1}\n', id="a long torn line is cut"),
    ],
)
async def test_a_torn_end_is_cut_at_the_next_start(
    make_sink: MakeSink, tmp_path: Path, left: bytes, kept: bytes
) -> None:
    (tmp_path / "out.ndjson").write_bytes(left)

    await make_sink().write(messages("new"), frozenset())

    assert (tmp_path / "out.ndjson").read_bytes() == kept + b'{"message":"new"}\n'


async def test_a_full_file_is_rotated_and_the_oldest_goes(
    make_sink: MakeSink, tmp_path: Path
) -> None:
    sink = make_sink(max_bytes=40, keep=2)

    for text in ("1", "2", "3", "4", "5", "6", "7"):  # two lines fill a file
        await sink.write(messages(text), frozenset())

    parts = {name: (tmp_path / name).read_text() for name in os.listdir(tmp_path)}
    assert parts == {
        "out.ndjson": '{"message":"7"}\n',
        "out.ndjson.1": '{"message":"5"}\n{"message":"6"}\n',
        "out.ndjson.2": '{"message":"3"}\n{"message":"4"}\n',
    }


async def test_a_batch_larger_than_a_file_is_kept_whole(
    make_sink: MakeSink, tmp_path: Path
) -> None:
    await make_sink(max_bytes=10).write(messages("long", "longer"), frozenset())

    assert len((tmp_path / "out.ndjson").read_bytes().splitlines()) == 2


async def test_a_file_moved_away_is_made_anew(make_sink: MakeSink, tmp_path: Path) -> None:
    sink = make_sink()
    await sink.write(messages("a"), frozenset())
    os.rename(tmp_path / "out.ndjson", tmp_path / "moved")

    await sink.write(messages("b"), frozenset())

    assert (tmp_path / "out.ndjson").read_bytes() == b'{"message":"b"}\n'


async def test_no_room_leaves_no_part_of_a_batch(make_sink: MakeSink, tmp_path: Path) -> None:
    sink = make_sink()
    await sink.write(messages("a"), frozenset())
    batch = messages("x" * 3000, "y" * 3000)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails with EFBIG
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        full = await sink.write(batch, frozenset())
        left = (tmp_path / "out.ndjson").read_bytes()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    later = await sink.write(batch, frozenset())

    assert list(full.busy) == batch
    assert "no room" in str(full.trouble)
    assert left == b'{"message":"a"}\n'
    assert later.trouble is None


async def test_a_second_writer_is_told_to_wait(make_sink: MakeSink, tmp_path: Path) -> None:
    await make_sink().write(messages("a"), frozenset())
    second = make_sink()
    batch = messages("b")

    result = await second.write(batch, frozenset())
    findings = await second.check()

    assert list(result.busy) == batch
    assert "in use by another process" in str(result.trouble)
    assert not findings[0].is_ok


async def test_a_folder_that_is_a_file_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    sink = NdjsonSink(NdjsonSettings(), path=tmp_path / "file" / "out.ndjson")
    batch = messages("a")

    result = await sink.write(batch, frozenset())
    await sink.close()

    assert list(result.busy) == batch
    assert "cannot be written" in str(result.trouble)


_PRINTER = """
import asyncio, sys
from ptingest.settings.sinks import NdjsonSettings
from ptingest.sinks.ndjson import NdjsonSink
from tests.support.store_documents import messages

async def main():
    sink = NdjsonSink(NdjsonSettings(path="-"), path=None)
    if sys.argv[1] == "wait":
        sys.stdin.read()
    if sys.argv[1] == "flood":
        asyncio.ensure_future(sink.write(messages("a" * (1 << 20)), frozenset()))
        await asyncio.sleep(0.1)  # no race: the pipe is full by now, or will be
        await sink.close()
        return
    result = await sink.write(messages("a", "b"), frozenset())
    findings = await sink.check()
    await sink.close()
    print(len(result.busy), result.trouble, findings[0].is_ok, file=sys.stderr)

asyncio.run(main())
"""


def printer(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _PRINTER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.timeout(60)
def test_standard_output_gets_the_lines() -> None:
    out, err = printer("go").communicate()

    assert out == b'{"message":"a"}\n{"message":"b"}\n'
    assert err == b"0 None True\n"


@pytest.mark.timeout(60)
def test_a_closed_standard_output_is_busy_and_trouble() -> None:
    process = printer("wait")
    assert process.stdout is not None
    process.stdout.close()

    _, err = process.communicate()

    assert err.startswith(b"2 standard output cannot be written (Broken pipe)")


@pytest.mark.timeout(60)
def test_a_reader_of_standard_output_that_stands_still_keeps_nobody_from_leaving() -> None:
    process = printer("flood")

    assert process.wait() == 0

    out, _ = process.communicate()
    assert out.startswith(b'{"message":"aaa')
    assert len(out) < 1 << 20
