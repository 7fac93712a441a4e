"""Lines in the files that targets name."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ptingest.model.document import Document, Index
from ptingest.settings.sinks import FileSettings
from ptingest.sinks.file import FileSink
from tests.support.store_documents import raw_document


@pytest.fixture
async def sink() -> AsyncIterator[FileSink]:
    made = FileSink(FileSettings(open_files=2))
    yield made
    await made.close()
    await made.close()


def line(path: Path | str, text: str = "x") -> Document:
    body = b'{"message":"%b"}' % text.encode()
    return replace(raw_document(body), target=Index(str(path), output="file"))


async def test_each_document_is_a_line_of_its_file(sink: FileSink, tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "one.log", tmp_path / "two.log"

    result = await sink.write([line(first, "1"), line(second, "2"), line(first, "3")], frozenset())

    assert (result.busy, result.refused, result.trouble) == ([], [], None)
    assert first.read_text() == '{"message":"1"}\n{"message":"3"}\n'
    assert second.read_text() == '{"message":"2"}\n'


async def test_few_files_are_open_whatever_events_name(sink: FileSink, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))

    await sink.write([line(tmp_path / f"{number}.log") for number in range(40)], frozenset())

    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert len(os.listdir(tmp_path)) == 40


@pytest.mark.parametrize("name", ["x" * 300, "nul\0", "folder", "a.log/below"])
async def test_a_path_that_no_file_can_have_is_refused_and_the_others_go_on(
    sink: FileSink, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.log").touch()
    bad, good = line(f"{tmp_path}/{name}"), line(tmp_path / "good.log")

    result = await sink.write([bad, good], frozenset())

    assert [(one.document, one.reason) for one in result.refused] == [(bad, "illegal_path")]
    assert result.busy == []
    assert (tmp_path / "good.log").exists()


async def test_a_file_in_use_by_another_process_is_tried_again(
    sink: FileSink, tmp_path: Path
) -> None:
    other = FileSink(FileSettings())
    await other.write([line(tmp_path / "a.log")], frozenset())
    mine = line(tmp_path / "a.log")

    result = await sink.write([mine], frozenset())
    await other.close()
    again = await sink.write([mine], frozenset())

    assert (list(result.busy), again.busy) == ([mine], [])
    assert result.trouble is not None
    assert str(tmp_path / "a.log") in result.trouble


async def test_check_knows_nothing_before_an_event(sink: FileSink) -> None:
    assert [finding.mark for finding in await sink.check()] == ["ok"]
