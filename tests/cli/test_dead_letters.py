"""`ptingest dead-letters`: events that no sink would take."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson
import pytest

from ptingest.cli.exit_codes import ExitCode
from ptingest.dead_letters.queue import encode_letter
from ptingest.dead_letters.tombstones import add_marks
from ptingest.model.outcome import DeadLetter
from tests.cli.running import run

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


def test_the_list_has_a_line_for_each_whole_letter(folder: Path) -> None:
    ran = run("dead-letters", "list", "--config", "c.yaml", folder=folder)

    first, second = ran.out.decode().splitlines()
    assert ran.code == 0
    assert first.startswith(
        f"{IDS[0]}  2026-01-02T03:04:05.678Z  django  refused  logs-django-pt  mapper_parsing"
    )
    assert first.endswith("x…")
    assert (
        second == f"{IDS[1]}  2026-01-02T03:04:05.678Z  other  not_json  -  broken \\x1b[2J\\nhere"
    )
    assert "2 dead letters in" in ran.err


def test_the_list_can_be_of_one_reason(folder: Path) -> None:
    one = run("dead-letters", "list", "--reason", "not_json", "--config", "c.yaml", folder=folder)
    none = run("dead-letters", "list", "--reason", "mapping", "--config", "c.yaml", folder=folder)
    no = run("dead-letters", "list", "--reason", "no_template", "--config", "c.yaml", folder=folder)

    assert [line.split()[0] for line in one.out.decode().splitlines()] == IDS[1:]
    assert (none.out, none.code) == (b"", 0)
    assert no.code == ExitCode.USAGE
    assert "refused (1)" in no.err
    assert "template_missing" in no.err


def test_what_is_done_is_listed_only_when_asked_for(folder: Path) -> None:
    (segment,) = (folder / "var" / "dead_letters").glob("*.ndjson")
    add_marks(segment, IDS[:1])

    waiting = run("dead-letters", "list", "--config", "c.yaml", folder=folder)
    everything = run("dead-letters", "list", "--all", "--config", "c.yaml", folder=folder)

    assert [line.split()[0] for line in waiting.out.decode().splitlines()] == IDS[1:]
    assert [line.split()[0] for line in everything.out.decode().splitlines()] == IDS


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
    assert "4,934,478 bytes more; --json has the whole" in shown.out.decode()
    assert len(whole.out) > 5_000_000
