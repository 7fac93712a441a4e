from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminals import terminal
from tests.fakes.http_stub import HttpStub
from tests.support.command import Ran, run

INDEX = ".ds-logs-django-pt-2025.01.01-000001"
MAPPING = {"mappings": {"properties": {"duration": {"type": "long"}}}}
EVENT = {"@timestamp": "2025-01-02T03:04:05Z", "group": "pt", "service": "django", "message": "m"}


@pytest.fixture
def stub() -> Iterator[HttpStub]:
    product = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
    with HttpStub(403, product, b'{"error":{"type":"security_exception","reason":"no"}}') as stub:
        answers: dict[str, Any] = {
            "/": {"version": {"number": "8.19.0"}},
            "/logs-django-pt/_mapping": {INDEX: MAPPING},
            f"/{INDEX}/_settings": {INDEX: {"settings": {"index": {}}}},
        }
        stub.by_path = {path: (200, json.dumps(body).encode()) for path, body in answers.items()}
        yield stub


def planned(
    stub: HttpStub, folder: Path, *events: dict[str, Any], more: tuple[str, ...] = ()
) -> Ran:
    file = folder / "events.ndjson"
    file.write_text("".join(json.dumps({**EVENT, **event}) + "\n" for event in events))
    return run("plan", file, "--elasticsearch", stub.url, *more, folder=folder)


def test_a_refused_event_is_named_with_line_field_and_cause(stub: HttpStub, tmp_path: Path) -> None:
    ran = planned(stub, tmp_path, {"duration": 5}, {"duration": "long"}, {"duration": "longer"})

    out = ran.out.decode()
    assert ran.code == 5, ran
    assert "logs-django-pt: 1 of 3 events would be taken" in out
    assert (
        'logs-django-pt: 2 events would be refused, line 2: duration "long" is no number, and '
        "the field is long" in out
    )
    assert "new fields: " in out
    assert "of 1,000 fields, 1 before" in out
    assert "a day on disk for each copy" in out
    assert "best_compression would save" in out
    assert "logsdb would save" in out


def test_events_that_fit_are_done(stub: HttpStub, tmp_path: Path) -> None:
    ran = planned(stub, tmp_path, {"duration": 5}, more=("--rate", "5"))

    assert ran.code == 0, ran
    assert b"1 of 1 event would be taken" in ran.out
    assert b"5 events/s" in ran.out


def test_json_has_a_line_for_each_refused_event_and_each_stream(
    stub: HttpStub, tmp_path: Path
) -> None:
    ran = planned(stub, tmp_path, {"duration": "x"}, {"extra": 1}, more=("--json",))

    event, stream = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 5
    assert (event["kind"], event["line"], event["field"]) == ("event", 1, "duration")
    assert (stream["refused"], stream["events"], stream["known_by"]) == (1, 2, "mapping")
    assert stream["new_fields"]["extra"] == "long"
    assert stream["fields"]["limit"] == 1_000
    assert stream["events_per_second"] == 100
    assert stream["bytes_a_day"] == pytest.approx(stream["bytes_a_document"] * 100 * 86_400)


def test_lines_of_a_terminal_are_no_wider_than_it(stub: HttpStub, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(json.dumps({**EVENT, "duration": "a long value " * 9}) + "\n")

    with terminal("plan", file, "--elasticsearch", stub.url, rows=60) as shown:
        code = shown.ended()

    assert code == 5
    lines = re.sub(rb"\x1b\[[0-9;]*m", b"", shown.written).decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert "1 event would be refused" in " ".join(shown.text.split())


def test_dead_letters_drops_and_no_event_are_told(stub: HttpStub, tmp_path: Path) -> None:
    bad = planned(stub, tmp_path, {"service": "No Name"}, {"group": "other"})
    none = planned(stub, tmp_path)

    assert bad.code == 5
    assert b"dead letter" in bad.out
    assert b"1 dropped by a rule" in bad.out
    assert none.code == 1
    assert b"none in the input" in none.out


def test_without_a_template_or_an_address_or_an_answer_nothing_is_promised(
    stub: HttpStub, tmp_path: Path
) -> None:
    stub.by_path["/logs-django-pt/_mapping"] = (404, b"{}")
    stub.by_path["/_index_template/_simulate_index/logs-django-pt"] = (200, b"{}")

    lacking = planned(stub, tmp_path, {})
    stub.by_path["/"] = (401, b"{}")
    refused = planned(stub, tmp_path, {})
    nowhere = run("plan", tmp_path / "events.ndjson", folder=tmp_path)

    assert (lacking.code, refused.code, nowhere.code) == (5, 4, 2)
    assert b"no index template matches it" in lacking.out
    assert "login refused" in refused.err
    assert "--elasticsearch" in nowhere.err


def test_a_login_that_may_not_read_mappings_is_told_what_is_assumed(
    stub: HttpStub, tmp_path: Path
) -> None:
    stub.by_path["/logs-django-pt/_mapping"] = (403, b"{}")

    ran = planned(stub, tmp_path, {"duration": "long"})

    assert ran.code == 0
    assert b"may not read mappings" in ran.out
    assert b"view_index_metadata" in ran.out
