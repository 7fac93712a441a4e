"""deploy/logstash/compare.py, on documents that a real Logstash made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import run
from tests.support.modules import DEPLOY, ROOT

VECTORS = json.loads((ROOT / "tests/pipeline/vectors.json").read_text(encoding="utf-8"))["pipeline"]
INDEXED = [
    one for one in VECTORS
    if one["expect"]["routed"] and not one["expect"].get("index_interpolation_error")
    and "<now>" not in json.dumps(one["expect"])
]  # fmt: skip


def placed(document: dict[str, Any], number: int) -> dict[str, Any]:
    """The same, from a place in a file of its own."""
    return {**document, "log": {"file": {"path": "/var/log/pt/django.log"}, "offset": number}}


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    """A folder with events and, of the same events, Logstash's documents."""
    events = [placed(one["event"], n) for n, one in enumerate(INDEXED)]
    made = [placed(one["expect"]["doc"], n) for n, one in enumerate(INDEXED)]
    write(tmp_path / "events.ndjson", events)
    write(tmp_path / "logstash.ndjson", made)
    ran = run("try", "events.ndjson", "--json", folder=tmp_path)
    assert ran.code == 0
    (tmp_path / "ours.ndjson").write_bytes(ran.out)
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def compare(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, DEPLOY / "logstash/compare.py", "logstash.ndjson", "ours.ndjson"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_what_logstash_made_and_what_we_make_do_not_differ(captured: Path) -> None:
    done = compare(captured)

    assert done.returncode == 0, done.stdout
    count, text = done.stdout.split(None, 1)
    assert int(count) > 150
    assert text.startswith("compared, 0 fields differ")


def test_a_difference_is_told_with_an_example(captured: Path) -> None:
    rows = [json.loads(line) for line in (captured / "logstash.ndjson").read_text().splitlines()]
    rows[0]["stream"] = "else"
    rows[1]["event"].pop("original")
    write(captured / "logstash.ndjson", rows)

    done = compare(captured)

    assert done.returncode == 1
    assert "stream: 1 documents, e.g. Logstash 'else', ptingest " in done.stdout
    assert "event.original: 1 documents, e.g. Logstash '(absent)'" in done.stdout


def test_nothing_to_compare_is_no_success(captured: Path) -> None:
    write(captured / "ours.ndjson", [])

    assert compare(captured).returncode == 1


def test_the_readers_own_marks_are_not_compared(captured: Path) -> None:
    rows = [json.loads(line) for line in (captured / "logstash.ndjson").read_text().splitlines()]
    for row in rows:
        row["agent"] = {"id": "the other Filebeat"}
    write(captured / "logstash.ndjson", rows)

    assert compare(captured).returncode == 0
