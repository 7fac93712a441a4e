"""`ptingest try`: what would become of these events?"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from ptingest.cli.try_ import read_lines
from tests.support.command import run
from tests.support.modules import ROOT

INDEXED = {
    "@timestamp": "2025-01-02T03:04:05.123Z",
    "message": "INFO|django.request|2025-01-02T03:04:05Z|hello",
    "group": "pt",
    "service": "django",
}


def ndjson(*events: object) -> bytes:
    return b"".join(orjson.dumps(event) + b"\n" for event in events)


def answers(out: bytes) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in out.split(b"\n")[:-1]]


def test_each_event_gives_exactly_one_line_in_order(tmp_path: Path) -> None:
    given = (
        ndjson(INDEXED, {**INDEXED, "group": "other"})
        + b"\n  \nnot json\n\xff\xfe\n[1]\n"
        + ndjson({**INDEXED, "service": "Bad/Name"})
    )

    ran = run("try", "--json", folder=tmp_path, given=given)

    assert ran.code == 5
    assert ran.err == ""
    told = answers(ran.out)
    assert [(one["outcome"], one["reason"], one["data_stream"]) for one in told] == [
        ("indexed", None, "logs-django-pt"),
        ("dropped", "other_group", None),
        ("dead_letter", "not_json", None),
        ("dead_letter", "not_json", None),
        ("dead_letter", "not_an_object", None),
        ("dead_letter", "illegal_data_stream", "logs-Bad/Name-pt"),
    ]
    assert [list(one) for one in told] == [["outcome", "reason", "data_stream", "document"]] * 6


@pytest.mark.parametrize(
    ("given", "code", "summary"),
    [
        (ndjson(INDEXED), 0, "1 event: 1 would be indexed\n"),
        (
            ndjson(INDEXED, {**INDEXED, "message": "no pattern"}),
            0,
            "2 events: 2 would be indexed, of which 1 fit no pattern\n",
        ),
        (
            ndjson(INDEXED, {**INDEXED, "group": "other"}),
            0,
            "2 events: 1 would be indexed; 1 dropped by a rule (1 other_group)\n",
        ),
        (
            ndjson(INDEXED, INDEXED) + b"x\ny\n[1]\n",
            5,
            "5 events: 2 would be indexed; 3 dead letters (2 not_json, 1 not_an_object)\n",
        ),
        (b"", 1, "no event in the input, so nothing was tried; a line of blanks is none\n"),
        (b" \n\n", 1, "no event in the input, so nothing was tried; a line of blanks is none\n"),
    ],
    ids=["indexed", "no pattern", "dropped", "dead letters", "empty", "blank"],
)
def test_a_summary_and_an_exit_code_tell_what_became_of_all(
    given: bytes, code: int, summary: str, tmp_path: Path
) -> None:
    ran = run("try", folder=tmp_path, given=given)
    as_json = run("try", "--json", folder=tmp_path, given=given)

    assert (ran.code, ran.err) == (code, summary)
    assert as_json.code == code


def test_the_document_is_the_event_after_all_stages(tmp_path: Path) -> None:
    ran = run("try", "--json", folder=tmp_path, given=ndjson(INDEXED))

    (answer,) = answers(ran.out)
    document = answer["document"]
    assert isinstance(document, dict)
    assert document["@timestamp"] == "2025-01-02T03:04:05.000Z"
    assert document["logger_name"] == "django.request"
    assert document["stream"] == "django"
    assert document["data_stream"] == {"type": "logs", "dataset": "django", "namespace": "pt"}


def test_numbers_are_shown_as_they_came(tmp_path: Path) -> None:
    event = ndjson(INDEXED).replace(b'{"', b'{"a":1.10,"b":12345678901234567890123,"', 1)

    ran = run("try", "--json", folder=tmp_path, given=event)

    assert b'"a":1.10,"b":12345678901234567890123,' in ran.out


def test_only_a_newline_ends_an_event(tmp_path: Path) -> None:
    event = orjson.dumps({**INDEXED, "other": "a\u2028b\u0085c"})

    ran = run("try", "--json", folder=tmp_path, given=event + b"\r\n" + event)

    assert len(ran.out.decode().splitlines()) == 2
    assert [answer["outcome"] for answer in answers(ran.out)] == ["indexed", "indexed"]


def test_plain_lines_become_events_of_the_service(tmp_path: Path) -> None:
    log = tmp_path / "nginx.log"
    log.write_bytes(b"INFO|nginx.access|2025-01-02T03:04:05Z|GET /\r\n\nanything\n")

    ran = run("try", log, "--service", "nginx", "--json", folder=tmp_path)

    first, second = answers(ran.out)
    assert first["data_stream"] == second["data_stream"] == "logs-nginx-pt"
    assert isinstance(first["document"], dict)
    assert first["document"]["log_message"] == "GET /"


def test_another_group_is_dropped(tmp_path: Path) -> None:
    ran = run("try", "--service", "x", "--group", "other", "--json", folder=tmp_path, given=b"a\n")

    assert [answer["outcome"] for answer in answers(ran.out)] == ["dropped"]


def test_people_are_told_stream_pattern_category_and_document(tmp_path: Path) -> None:
    ran = run("try", folder=tmp_path, given=ndjson(INDEXED) + b"not json\n")

    lines = ran.out.decode().splitlines()
    assert lines[0].startswith("indexed  data stream logs-django-pt  pattern ")
    assert "category" in lines[0]
    assert '  "logger_name": "django.request",' in lines
    assert any(line.startswith("dead_letter  why not_json: ") for line in lines)


def test_text_of_an_event_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    event = ndjson({**INDEXED, "service": "\x1b[2Jx", "message": "\x1b[2J"})

    ran = run("try", folder=tmp_path, given=event)

    assert b"\x1b[2J" not in ran.out


def test_the_config_names_the_profile(tmp_path: Path) -> None:
    profile = (ROOT / "config" / "pt.yaml").read_text()
    assert "namespace: pt}" in profile
    (tmp_path / "mine.yaml").write_text(profile.replace("namespace: pt}", "namespace: mine}"))
    (tmp_path / "c.yaml").write_text("profile: mine.yaml\n")

    ran = run("try", "--json", "--config", "c.yaml", folder=tmp_path, given=ndjson(INDEXED))

    assert [answer["data_stream"] for answer in answers(ran.out)] == ["logs-django-mine"]


@pytest.mark.parametrize("option", [["--group", "pt"], ["--multiline"]])
def test_what_is_for_plain_lines_asks_for_a_service(tmp_path: Path, option: list[str]) -> None:
    ran = run("try", *option, folder=tmp_path)

    assert ran.code == 2
    assert "add --service NAME" in ran.err


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    ran = run("try", "no.ndjson", folder=tmp_path)

    assert ran.code == 2
    assert "no.ndjson" in ran.err


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ptingest.cli.main", "try", "--json"]

    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as trying:
        assert trying.stdin is not None
        assert trying.stdout is not None
        assert trying.stderr is not None
        trying.stdin.write(ndjson(INDEXED))
        trying.stdin.flush()
        first = trying.stdout.readline()  # comes before the input ends
        trying.stdout.close()
        trying.stdin.write(ndjson(INDEXED))
        trying.stdin.close()
        said = trying.stderr.read()
        code = trying.wait()

    assert orjson.loads(first)["outcome"] == "indexed"
    assert said == b""
    assert code == 128 + 13


def test_lines_are_bytes_without_their_newline() -> None:
    file = io.BytesIO(b"a\r\n\n \t\n\xff\n\x0b\x0cb\x1c\xc2\x85\nlast")

    assert list(read_lines(file)) == [b"a\r", b"\xff", b"\x0b\x0cb\x1c\xc2\x85", b"last"]
