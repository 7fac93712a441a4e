"""Orders carried out without a server, and what they would do."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest

from ptingest.errors import DeadLettersUnwritable
from ptingest.model.letters import LetterFilter, Order
from ptingest.model.outcome import DeadLetter
from ptingest.pipeline.compile import compile_profile
from ptingest.server.assembly import read_profile
from ptingest.server.offline_requeue import Prospect, carry_out, preview
from ptingest.server.process.clock import SystemClock
from tests.support.letters import EVERYTHING, file_letters, letter, waiting
from tests.support.raw_peer import event
from tests.support.settings import server_settings


def stored_keys(tmp_path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "store.sqlite")) as connection:
        found = connection.execute("SELECT key FROM documents ORDER BY key").fetchall()
    return [key for (key,) in found]


async def test_letters_are_stored_without_a_server(tmp_path: Path) -> None:
    ids = file_letters(tmp_path / "data", [letter(1, key="K"), letter(2)])
    settings = server_settings(tmp_path)

    progress = await carry_out(
        settings, read_profile(settings, {}), Order("requeue", EVERYTHING), clock=SystemClock()
    )

    assert progress["finished"]
    assert progress["tally"]["stored"] == 2  # type: ignore[index]
    assert stored_keys(tmp_path) == [ids[1], "K"]
    assert waiting(tmp_path / "data") == []


async def test_no_port_and_no_certificate_is_needed(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(1)])
    gone = {"certificate": str(tmp_path / "gone.pem"), "key": str(tmp_path / "gone.key")}
    settings = server_settings(tmp_path, beats={"tls": gone}, api={"tls": gone})

    progress = await carry_out(
        settings, read_profile(settings, {}), Order("requeue", EVERYTHING), clock=SystemClock()
    )

    assert progress["tally"]["stored"] == 1  # type: ignore[index]


async def test_a_sink_that_never_answers_does_not_keep_us(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(1)])
    nobody = {"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}}
    settings = server_settings(tmp_path, sinks=nobody)

    progress = await carry_out(
        settings,
        read_profile(settings, {}),
        Order("requeue", EVERYTHING, seconds=0.3),
        clock=SystemClock(),
    )

    assert progress["tally"]["left"] == 1  # type: ignore[index]
    assert waiting(tmp_path / "data") == ["template_missing"]


async def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dead_letters").write_text("in the way")
    settings = server_settings(tmp_path)

    with pytest.raises(DeadLettersUnwritable):
        await carry_out(
            settings, read_profile(settings, {}), Order("purge", EVERYTHING), clock=SystemClock()
        )


def test_a_preview_tells_what_would_become_and_changes_nothing(tmp_path: Path) -> None:
    letters: list[DeadLetter] = [
        letter(1),
        letter(2),
        letter(3, payload=b"no json"),
        letter(4, payload=event(group="crm")),
    ]
    file_letters(tmp_path / "data", letters)
    pipeline = compile_profile(read_profile(server_settings(tmp_path), {}))
    directory = tmp_path / "data" / "dead_letters"

    now_ns = time.time_ns()
    requeued = preview(directory, EVERYTHING, pipeline, now_ns=now_ns)
    purged = preview(directory, EVERYTHING, None, now_ns=now_ns)
    none = preview(directory, LetterFilter(reasons=("other",)), pipeline, now_ns=now_ns)

    was = ("template_missing", "logs-django-pt")
    assert requeued == {
        Prospect(*was, "written to logs-django-pt"): 2,
        Prospect(*was, "a dead letter again (not_json)"): 1,
        Prospect(*was, "dropped (other_group)"): 1,
    }
    assert purged == {Prospect(*was, "purged"): 4}
    assert none == {}
    assert len(waiting(tmp_path / "data")) == 4
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["dead_letters"]
