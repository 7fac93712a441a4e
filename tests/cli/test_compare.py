"""`ptingest compare`, on documents that a real Logstash made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Ran, run
from tests.support.modules import ROOT

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
    assert ran.code == 5  # some of them would be dead letters
    (tmp_path / "ours.ndjson").write_bytes(ran.out)
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def compare(folder: Path) -> Ran:
    return run("compare", "ours.ndjson", "logstash.ndjson", folder=folder)


def test_what_logstash_made_and_what_we_make_do_not_differ(captured: Path) -> None:
    done = compare(captured)

    assert done.code == 0, done.out
    count, text = done.out.decode().split(None, 1)
    assert int(count) > 150
    assert text.startswith("compared, 0 fields differ")


def test_a_difference_is_told_with_an_example(captured: Path) -> None:
    rows = [json.loads(line) for line in (captured / "logstash.ndjson").read_text().splitlines()]
    rows[0]["stream"] = "else"
    rows[1]["event"].pop("original")
    write(captured / "logstash.ndjson", rows)

    done = compare(captured)

    assert done.code == 1
    assert "stream: 1 document, e.g. Logstash 'else', ptingest " in done.out.decode()
    assert "event.original: 1 document, e.g. Logstash '(absent)'" in done.out.decode()


def test_nothing_to_compare_is_no_success(captured: Path) -> None:
    write(captured / "ours.ndjson", [])

    assert compare(captured).code == 1


def test_the_readers_own_marks_are_not_compared(captured: Path) -> None:
    rows = [json.loads(line) for line in (captured / "logstash.ndjson").read_text().splitlines()]
    for row in rows:
        row["agent"] = {"id": "the other Filebeat"}
    write(captured / "logstash.ndjson", rows)

    assert compare(captured).code == 0


def test_hits_of_a_search_are_documents_too(captured: Path) -> None:
    rows = [json.loads(line) for line in (captured / "logstash.ndjson").read_text().splitlines()]
    write(captured / "logstash.ndjson", [{"_index": "x", "_source": row} for row in rows])

    assert compare(captured).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"message": "a"}\n{"mess', "logstash.ndjson:2 is not JSON"), ("[1]\n", "is no JSON object")],
    ids=["cut off", "a list"],
)
def test_what_cannot_be_read_is_told_with_its_line(captured: Path, text: str, said: str) -> None:
    (captured / "logstash.ndjson").write_text(text)

    ran = compare(captured)

    assert ran.code == 2
    assert said in ran.err
