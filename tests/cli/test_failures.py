"""`ptingest failures` on canned answers; `tests/peers/test_failures.py` has it on real nodes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ptingest.cli.exit_codes import ExitCode
from tests.fakes.http_stub import HttpStub
from tests.support.command import Ran, run
from tests.support.failure_documents import RECORDED

OURS = {"X-Elastic-Product": "Elasticsearch"}
SOURCE = {"service": "nginx", "message": "a line \x1b[2J " + "long " * 40}
HIT = json.loads(json.dumps(RECORDED))
HIT["_source"]["document"]["source"] = SOURCE
ANSWER = {"id": "snapshot", "hits": {"hits": [HIT], "total": {"value": 1, "relation": "eq"}}}


def failures(folder: Path, *arguments: str, answer: object = ANSWER) -> Ran:
    """Run the command before a node that gives this answer to everything."""
    config = folder / "ptingest.yaml"
    with HttpStub(200, OURS, json.dumps(answer).encode()) as stub:
        config.write_text(json.dumps({"sinks": {"elasticsearch": {"hosts": [stub.url]}}}))
        return run("failures", *arguments, "--config", str(config), folder=folder)


def test_a_group_has_stream_count_times_reason_and_one_example(tmp_path: Path) -> None:
    ran = failures(tmp_path, "list")

    first, said, example = ran.out.decode().splitlines()
    assert first == "logs-nginx-pt  1 document, 2026-11-29T20:46:06.786Z"
    assert said == ("  said: document_parsing_exception: failed to parse field [n] of type [long]")
    assert example.startswith(f"  {HIT['_id']}  nginx  a line ")
    assert "\x1b" not in example
    assert (ran.code, ran.err) == (0, "1 failure document of 1 kind\n")


def test_json_has_one_group_a_line(tmp_path: Path) -> None:
    (row,) = map(json.loads, failures(tmp_path, "list", "--json").out.splitlines())

    assert (row["data_stream"], row["documents"]) == ("logs-nginx-pt", 1)
    assert row["oldest"] == row["newest"] == "2026-11-29T20:46:06.786Z"
    assert row["example"]["document"] == SOURCE


def test_one_is_shown_with_what_elasticsearch_said_and_the_document(tmp_path: Path) -> None:
    text = failures(tmp_path, "show", HIT["_id"]).out.decode()
    whole = json.loads(failures(tmp_path, "show", HIT["_id"], "--json").out)

    assert "said        [1:42] failed to parse field [n]" in text
    assert "Preview of field's value: 'bad'" in text
    assert '"service": "nginx"' in text
    assert "\x1b" not in text
    assert (whole["_id"], whole["_source"]) == (HIT["_id"], HIT["_source"])


def test_an_unknown_id_fails_and_says_how_ids_are_found(tmp_path: Path) -> None:
    ran = failures(tmp_path, "show", "x", answer={"hits": {"hits": []}})

    assert ran.code == ExitCode.FAILED
    assert "no failure store has a document x; `ptingest failures list --config" in ran.err


def test_a_dry_run_says_what_todays_rules_would_make(tmp_path: Path) -> None:
    ran = failures(tmp_path, "requeue", "--all", "--dry-run")

    assert "would be dropped (other_group)" in ran.out.decode()
    assert "nothing was changed" in ran.err


def test_a_missing_right_is_an_error_and_no_empty_list(tmp_path: Path) -> None:
    rights = {"index": {"logs-*-pt": {"read_failure_store": False}}}

    ran = failures(tmp_path, "list", answer={**ANSWER, **rights})

    assert (ran.code, ran.out) == (ExitCode.NOT_REACHABLE, b"")
    assert "grant `read_failure_store`" in ran.err


@pytest.mark.parametrize("command", [("list",), ("show", "x"), ("requeue", "--all")])
def test_without_elasticsearch_it_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    config = tmp_path / "ptingest.yaml"
    config.write_text("sinks: {store: {}}\n")

    ran = run("failures", *command, "--config", str(config), folder=tmp_path)

    assert ran.code == ExitCode.NOT_REACHABLE
    assert "no sinks.elasticsearch, so there is no failure store" in ran.err


def test_a_requeue_of_nothing_in_particular_is_refused(tmp_path: Path) -> None:
    ran = failures(tmp_path, "requeue")

    assert ran.code == ExitCode.USAGE
    assert "select failure documents: --all" in ran.err
