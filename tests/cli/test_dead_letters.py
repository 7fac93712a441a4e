"""`ptingest dead-letters`: events that no sink would take."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson
import pytest

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.letter_order import refuse_stranger
from ptingest.dead_letters.queue import encode_letter
from ptingest.dead_letters.tombstones import add_marks
from ptingest.errors import JobRefused
from ptingest.model.outcome import DeadLetter
from ptingest.server.process.lock import DataDirLock
from tests.fakes.elasticsearch import FakeElasticsearch, Reply
from tests.fakes.http_stub import HttpStub
from tests.support.command import Ran, run
from tests.support.letters import file_letters, letter, waiting
from tests.support.modules import ROOT
from tests.support.raw_peer import event
from tests.support.server_process import ServerProcess
from tests.support.serving import serving
from tests.support.waiting import until

IDS = ["01JB2QXEZ3T8V5N7K4M9P6R1S0", "01JB2QXEZ3T8V5N7K4M9P6R1S1"]
LETTERS = [
    DeadLetter(
        reason="refused",
        detail="mapper_parsing_exception: " + "x" * 200,
        payload=b'{"message":"a","n":1.10}',
        service="django",
        peer="192.0.2.7:51234",
        data_stream="logs-django-pt",
        key="AZQk-GCITMjiW2Ag4xw3ZQ",
    ),
    DeadLetter(
        reason="not_json",
        detail="broken \x1b[2J\nhere",
        payload=b"\xff\x1b[2J",
        service="other",
        peer="192.0.2.7:51234",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config whose data_dir holds two letters and the torn beginning of a third."""
    (tmp_path / "c.yaml").write_text("data_dir: var\n")
    directory = tmp_path / "var" / "dead_letters"
    directory.mkdir(parents=True)
    lines = [
        encode_letter(letter, letter_id=letter_id, time="2026-01-02T03:04:05.678Z")
        for letter, letter_id in zip(LETTERS, IDS, strict=True)
    ]
    (directory / "20260102T030405.678000Z-1-0001.ndjson").write_bytes(
        b"".join(lines) + lines[0][:40]
    )
    return tmp_path


def test_the_list_has_each_whole_letter_in_its_group(folder: Path) -> None:
    ran = run("dead-letters", "list", "--config", "c.yaml", folder=folder)

    refused, said, first, broken, what, second = ran.out.decode().splitlines()
    assert ran.code == 0
    assert refused == "refused  logs-django-pt  1 letter, 2026-01-02T03:04:05.678Z"
    assert said.startswith("  said: mapper_parsing")
    assert said.endswith("x…")
    assert first == f"  {IDS[0]}  2026-01-02T03:04:05.678Z  -  a"
    assert broken == "not_json  -  1 letter, 2026-01-02T03:04:05.678Z"
    assert what == "  said: broken \\x1b[2J\\nhere"
    assert second == f"  {IDS[1]}  2026-01-02T03:04:05.678Z  -  \\xff\\x1b[2J"
    assert "2 dead letters in" in ran.err


def listed(ran: Ran) -> list[str]:
    """The ids in a list."""
    words = [line.split() for line in ran.out.decode().splitlines()]
    return [first for first, *_ in words if first in IDS]


def test_the_list_can_be_of_one_reason(folder: Path) -> None:
    one = run("dead-letters", "list", "--reason", "not_json", "--config", "c.yaml", folder=folder)
    none = run("dead-letters", "list", "--reason", "mapping", "--config", "c.yaml", folder=folder)
    no = run("dead-letters", "list", "--reason", "no_template", "--config", "c.yaml", folder=folder)

    assert listed(one) == IDS[1:]
    assert (none.out, none.code) == (b"", 0)
    assert no.code == ExitCode.USAGE
    assert "refused (1)" in no.err
    assert "template_missing" in no.err


def test_what_is_done_is_listed_only_when_asked_for(folder: Path) -> None:
    (segment,) = (folder / "var" / "dead_letters").glob("*.ndjson")
    add_marks(segment, IDS[:1])

    waiting = run("dead-letters", "list", "--config", "c.yaml", folder=folder)
    everything = run("dead-letters", "list", "--all", "--config", "c.yaml", folder=folder)

    assert listed(waiting) == IDS[1:]
    assert listed(everything) == IDS


def test_json_has_one_whole_record_a_line(folder: Path) -> None:
    ran = run("dead-letters", "list", "--json", "--config", "c.yaml", folder=folder)

    first, second = map(orjson.loads, ran.out.splitlines())
    assert ran.err == ""
    assert first == {
        "id": IDS[0],
        "time": "2026-01-02T03:04:05.678Z",
        "reason": "refused",
        "detail": LETTERS[0].detail,
        "data_stream": "logs-django-pt",
        "service": "django",
        "peer": "192.0.2.7:51234",
        "key": "AZQk-GCITMjiW2Ag4xw3ZQ",
        "payload": '{"message":"a","n":1.10}',
    }
    assert base64.b64decode(second["payload_base64"]) == b"\xff\x1b[2J"


def test_a_list_of_more_letters_than_asked_for_says_how_many_more(folder: Path) -> None:
    file_letters(folder / "var", [letter(number) for number in range(9)])

    ran = run("dead-letters", "list", "--limit", "3", "--config", "c.yaml", folder=folder)

    assert "  and 6 more: --limit N shows more, --json all" in ran.out.decode().splitlines()
    assert "11 dead letters in" in ran.err


def test_one_letter_is_shown_whole(folder: Path) -> None:
    ran = run("dead-letters", "show", IDS[0], "--config", "c.yaml", folder=folder)

    said = ran.out.decode()
    assert ran.code == 0
    assert LETTERS[0].detail in said
    assert '  "n": 1.10' in said
    assert "192.0.2.7:51234" in said


def test_what_is_not_text_is_shown_escaped(folder: Path) -> None:
    ran = run("dead-letters", "show", IDS[1], "--config", "c.yaml", folder=folder)

    assert b"\x1b" not in ran.out
    assert ran.out.rstrip().endswith(b"\\xff\\x1b[2J")


def test_a_letter_can_be_shown_as_its_record(folder: Path) -> None:
    listed = run("dead-letters", "list", "--json", "--config", "c.yaml", folder=folder)

    shown = run("dead-letters", "show", IDS[1], "--json", "--config", "c.yaml", folder=folder)

    assert shown.out == listed.out.splitlines(keepends=True)[1]


def test_an_unknown_id_fails_and_says_where_it_looked(folder: Path) -> None:
    ran = run("dead-letters", "show", "nope", "--config", "c.yaml", folder=folder)

    assert ran.code == 1
    assert "no dead letter nope in" in ran.err


def test_no_folder_means_no_letters(tmp_path: Path) -> None:
    ran = run("dead-letters", "list", folder=tmp_path)

    assert ran.code == 0
    assert ran.out == b""
    assert "0 dead letters" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_large_letter_is_cut_and_told_how_much_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data_dir: var\n")
    directory = tmp_path / "var" / "dead_letters"
    directory.mkdir(parents=True)
    payload = b'{"message":"' + b"x" * 5_000_000 + b'"}'
    large = DeadLetter("not_json", "d" * 500_000, payload, "django", "192.0.2.7:1", count=7)
    line = encode_letter(large, letter_id=IDS[0], time="2026-01-02T03:04:05.678Z")
    (directory / "20260102T030405.678000Z-1-0001.ndjson").write_bytes(line)

    listed = run("dead-letters", "list", "--config", "c.yaml", folder=tmp_path)
    shown = run("dead-letters", "show", IDS[0], "--config", "c.yaml", folder=tmp_path)
    whole = run("dead-letters", "show", IDS[0], "--json", "--config", "c.yaml", folder=tmp_path)

    assert "7 times: ddd" in listed.out.decode()
    assert max(len(listed.out), len(shown.out)) < 200_000
    assert "4,934,478 more bytes; --json prints all" in shown.out.decode()
    assert len(whole.out) > 5_000_000


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 2), (b"y\n", 0)])
def test_a_purge_on_a_terminal_says_how_many_and_asks(
    folder: Path, answer: bytes, left: int
) -> None:
    keyboard, terminal = os.openpty()
    try:
        os.write(keyboard, answer)
        done = subprocess.run(
            [sys.executable, "-m", "ptingest.cli.main", "dead-letters", "purge", "--all",
             "--config", "c.yaml"],
            cwd=folder, stdin=terminal, capture_output=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    finally:
        os.close(keyboard)
        os.close(terminal)

    assert b"2 dead letters would be deleted for ever" in done.stderr
    assert done.returncode == (ExitCode.FAILED if left else ExitCode.DONE)
    assert len(waiting(folder / "var")) == left


def config(folder: Path, **more: Any) -> None:
    (folder / "c.yaml").write_text(json.dumps({"data_dir": "data", **more}), encoding="utf-8")


def run_in(folder: Path, *arguments: str) -> Ran:
    return run("dead-letters", *arguments, "--config", "c.yaml", folder=folder)


def stored_messages(folder: Path) -> list[str]:
    path = folder / "data" / "store.sqlite"
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        return [
            orjson.loads(body)["message"]
            for (body,) in connection.execute("SELECT body FROM documents")
        ]
    except sqlite3.OperationalError:  # killed before it made the table
        return []
    finally:
        connection.close()


# --- without a server ---------------------------------------------------------------------


def test_requeue_says_what_became_of_each(tmp_path: Path) -> None:
    config(tmp_path)
    file_letters(tmp_path / "data", [letter(1), letter(2), letter(3, payload=b"no json")])

    first = run_in(tmp_path, "requeue", "--all")
    file_letters(tmp_path / "data", [letter(1), letter(2)])
    again = run_in(tmp_path, "requeue", "--reason", "template_missing")

    assert first.out == b"3 requeued: 2 stored, 1 dead-lettered again\n"
    assert first.code == ExitCode.NOT_ALL_DELIVERED
    assert (again.out, again.code) == (b"2 requeued: 2 already stored\n", 0)
    assert len(stored_messages(tmp_path)) == 2
    assert waiting(tmp_path / "data") == ["not_json"]


def test_purge_takes_only_what_is_meant(tmp_path: Path) -> None:
    config(tmp_path)
    ids = file_letters(tmp_path / "data", [letter(number) for number in range(3)])

    young = run_in(tmp_path, "purge", "--stream", "logs-django-pt", "--older-than", "2026-01-01")
    one = run_in(tmp_path, "purge", "--id", ids[1], "--json")
    old = run_in(tmp_path, "purge", "--older-than", "1s")

    assert young.out == b"no waiting dead letter matches these options: nothing was done\n"
    assert young.code == ExitCode.FAILED
    assert orjson.loads(one.out)["purged"] == 1
    assert (old.out, old.code) == (b"2 purged\n", 0)
    assert waiting(tmp_path / "data") == []


@pytest.mark.parametrize("what", ["requeue", "purge"])
def test_a_dry_run_changes_nothing(tmp_path: Path, what: str) -> None:
    config(tmp_path)
    file_letters(tmp_path / "data", [letter(1), letter(2, payload=b"no json")])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    shown = run_in(tmp_path, what, "--all", "--dry-run")
    as_json = run_in(tmp_path, what, "--all", "--dry-run", "--json")

    assert (shown.code, as_json.code) == (0, 0)
    assert "2 letters; nothing was changed" in shown.err
    assert sum(orjson.loads(line)["letters"] for line in as_json.out.splitlines()) == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        pytest.param((), 2, "select letters", id="nothing chosen"),
        pytest.param(("--older-than", "soon"), 2, "is not an age", id="no age"),
        pytest.param(("--id", "NOPE"), 1, "NOPE: not waiting", id="an id that is not there"),
        pytest.param(("--reason", "no_template"), 2, "template_missing", id="no such reason"),
        pytest.param(
            ("--reason", "no_template"), 2, "template_missing (1)", id="which reasons wait"
        ),
        pytest.param(
            ("--reason", "template_missing", "--reason", "Mapping"), 2, "'Mapping' is no", id="one"
        ),
        pytest.param(
            ("--reason", "no_template", "--dry-run"), 2, "no_template", id="also in a dry run"
        ),
        pytest.param(
            ("--reason", "mapping", "--dry-run"), 1, "--reason mapping: none has it", id="dry, none"
        ),
        pytest.param(("--all", "--timeout", "0"), 2, "timeout", id="no time at all"),
    ],
)
@pytest.mark.parametrize("what", ["requeue", "purge"])
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, what: str, arguments: tuple[str, ...], code: int, why: str
) -> None:
    config(tmp_path)
    file_letters(tmp_path / "data", [letter(1)])

    ran = run_in(tmp_path, what, *arguments)

    assert ran.code == code
    assert why in ran.err
    assert len(waiting(tmp_path / "data")) == 1


def test_no_folder_means_nothing_to_do_and_nothing_made(tmp_path: Path) -> None:
    config(tmp_path)

    ran = run_in(tmp_path, "requeue", "--all")

    assert ran.code == ExitCode.FAILED
    assert "no dead letter is waiting in " in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_another_user_makes_no_files_there(tmp_path: Path) -> None:
    refuse_stranger(tmp_path, me=os.geteuid())

    with pytest.raises(click.ClickException, match="run this as the user the server runs as"):
        refuse_stranger(tmp_path, me=os.geteuid() + 1)


# --- killed in the middle -----------------------------------------------------------------


async def start(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ptingest.cli.main", "dead-letters", *arguments),
        *("--config", str(folder / "c.yaml")),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("has_keys", [True, False], ids=["with keys", "without keys"])
async def test_kill_9_in_the_middle_loses_and_doubles_nothing(
    tmp_path: Path, has_keys: bool
) -> None:
    config(tmp_path)
    count = 6000
    letters = [letter(n, key=f"K{n}" if has_keys else None) for n in range(count)]
    letters[::100] = [letter(n, payload=b"no json %d" % n) for n in range(0, count, 100)]
    file_letters(tmp_path / "data", letters)
    expected = sorted(f"INFO|root|2025-01-02T03:04:05Z|n{n}" for n in range(count) if n % 100)
    kills = 0
    for stored_before in (1, 1500, 3000):
        process = await start(tmp_path, "requeue", "--all")
        await until(
            lambda: (
                process.returncode is not None  # noqa: B023 - looked at before the next one
                or len(stored_messages(tmp_path)) >= stored_before  # noqa: B023
            )
        )
        if process.returncode is None:
            process.kill()
            kills += 1
        await process.communicate()
        left = {stored.payload for stored in _letters(tmp_path)}
        known = set(stored_messages(tmp_path))
        missing = [m for m in expected if m not in known and not _waits(m, left)]
        assert missing == [], "lost between two steps"

    process = await start(tmp_path, "requeue", "--reason", "template_missing")
    said, _ = await process.communicate()

    assert kills >= 2
    assert b"requeued: " in said
    assert sorted(stored_messages(tmp_path)) == expected
    bad = {stored.payload for stored in _letters(tmp_path)}
    assert bad == {b"no json %d" % n for n in range(0, count, 100)}


def _letters(folder: Path) -> list[Any]:
    from ptingest.dead_letters.queue import read_letters

    return [stored.letter for stored in read_letters(folder / "data" / "dead_letters")]


def _waits(message: str, payloads: set[bytes]) -> bool:
    return event(message) in payloads


@pytest.mark.timeout(60)
async def test_what_elasticsearch_took_before_the_kill_is_recognised(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(n, key=None if n % 2 else f"K{n}") for n in range(40)])
    async with FakeElasticsearch() as es:
        config(tmp_path, sinks={"elasticsearch": {"hosts": [es.url]}})
        never = asyncio.Event()
        es.script(Reply(gate=never))
        process = await start(tmp_path, "requeue", "--all")
        await until(lambda: es.count == 40)

        process.kill()
        await process.communicate()
        never.set()
        assert len(waiting(tmp_path / "data")) == 40
        again = await start(tmp_path, "requeue", "--all")
        said, _ = await again.communicate()

        assert said == b"40 requeued: 40 already stored\n"
        assert es.count == 40
    assert waiting(tmp_path / "data") == []


# --- through a running server -------------------------------------------------------------


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """What `serve` holds; the worker under test runs in this process."""
    lock = DataDirLock(folder / "data")
    lock.acquire()
    yield
    lock.release()


async def ask_server(folder: Path, port: int, *arguments: str) -> Ran:
    address = f"127.0.0.1:{port}"
    return await asyncio.to_thread(run_in, folder, *arguments, "--address", address)


async def test_a_running_server_does_it(tmp_path: Path) -> None:
    config(tmp_path)
    file_letters(tmp_path / "data", [letter(1, key="K"), letter(2, payload=b"no json")])
    with locked(tmp_path):
        async with serving(tmp_path) as server:
            port = server.worker.api_port
            requeued = await ask_server(tmp_path, port, "requeue", "--all")
            purged = await ask_server(tmp_path, port, "purge", "--reason", "not_json", "--json")

            assert server.sink.keys == {"K"}
            assert set(server.residues()) == {0}
            assert server.worker.parts.dead_letters.waiting == 0
    assert requeued.out == b"2 requeued: 1 stored, 1 dead-lettered again\n"
    assert orjson.loads(purged.out)["purged"] == 1
    assert waiting(tmp_path / "data") == []


async def test_a_server_under_another_lock_is_not_taken_for_ours(tmp_path: Path) -> None:
    config(tmp_path)
    file_letters(tmp_path / "data", [letter(1)])
    with locked(tmp_path):
        (tmp_path / "data" / "lock").write_text("1\n")
        async with serving(tmp_path) as server:
            ran = await ask_server(tmp_path, server.worker.api_port, "purge", "--all")

    assert ran.code == 1
    assert "another server listens at this address" in ran.err
    assert len(waiting(tmp_path / "data")) == 1


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    config(tmp_path, api={"listen": "127.0.0.1:9"})
    file_letters(tmp_path / "data", [letter(1)])
    with locked(tmp_path):
        ran = run_in(tmp_path, "requeue", "--all")

    assert ran.code == ExitCode.NOT_REACHABLE
    assert "no server answers at 127.0.0.1:9" in ran.err
    assert "(api.listen)" in ran.err
    assert "stores nothing twice" in ran.err
    assert len(waiting(tmp_path / "data")) == 1


@pytest.mark.timeout(60)
async def test_kill_9_of_the_server_in_the_middle_doubles_nothing(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(n, key=None if n % 2 else f"K{n}") for n in range(40)])
    async with FakeElasticsearch() as es:
        server = ServerProcess(tmp_path, {"sinks": {"elasticsearch": {"hosts": [es.url]}}})
        (tmp_path / "ptingest.yaml").rename(tmp_path / "c.yaml")
        (tmp_path / "ptingest.yaml").symlink_to("c.yaml")
        try:
            await server.start()
            never = asyncio.Event()
            es.script(Reply(gate=never))
            process = await start(tmp_path, "requeue", "--all")
            await until(lambda: es.count == 40)

            server.kill()
            code = await process.wait()
            never.set()
            await server.start()
            again = await start(tmp_path, "requeue", "--all")
            said, _ = await again.communicate()
            status = await server.status()
        finally:
            server.discard()

        assert code == ExitCode.NOT_REACHABLE
        assert said == b"40 requeued: 40 already stored\n"
        assert es.count == 40
        assert status["dead_letters"]["waiting"] == 0
        assert {row["residue"] for row in status["books"]["elasticsearch"].values()} == {0}


def ordered(folder: Path, stub: HttpStub, what: str) -> Ran:
    """Order something of all letters from a server, for which a stub stands."""
    held = DataDirLock(folder / "data")
    config(folder, api={"listen": f"127.0.0.1:{stub.port}", "token": "t" * 40})
    file_letters(folder / "data", [letter(1)])
    held.acquire()
    try:
        return run_in(folder, what, "--all")
    finally:
        held.release()


def test_a_redirect_of_an_order_is_told_and_not_followed(tmp_path: Path) -> None:
    with HttpStub() as other, HttpStub(307, {"Location": other.url}, keeps_path=True) as stub:
        ran = ordered(tmp_path, stub, "purge")

    assert ran.code == ExitCode.NOT_REACHABLE
    assert f"307 to {other.url}: write that into api.listen" in ran.err
    assert other.requests == []


def test_what_a_server_says_of_an_order_that_cannot_begin_is_said_once(tmp_path: Path) -> None:
    said = orjson.dumps({"error": str(JobRefused(why="no worker is running"))})
    with HttpStub(409, body=said) as stub:
        ran = ordered(tmp_path, stub, "requeue")

    assert ran.code == ExitCode.FAILED
    assert ran.err == "Error: no worker is running; nothing was begun, try again later\n"


def test_letters_of_a_receiver_are_not_written_to_a_sink(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(1)])
    (tmp_path / "c.yaml").write_text(
        "data_dir: data\nrole: receive\nbuffer: {kafka: {brokers: '127.0.0.1:1'}}\n"
    )

    ran = run("dead-letters", "requeue", "--all", "--config", "c.yaml", folder=tmp_path)

    assert ran.code == ExitCode.FAILED
    assert "role receive go through its buffer: start the server" in ran.err
    assert len(waiting(tmp_path / "data")) == 1
