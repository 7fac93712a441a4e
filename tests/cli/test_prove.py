"""`ptingest prove`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ptingest.cli.prove import prove

CONFIG = """filter {
  if [message] == "drop" { drop {} }
  mutate { add_field => { "seen" => "yes" } }
}
output { elasticsearch { index => "x" } }"""
SENT = {"@timestamp": "2025-01-02T03:04:06.123Z", "n": 1}


def run(tmp_path: Path, *documents: dict[str, Any]) -> Result:
    (tmp_path / "a.conf").write_text(CONFIG)
    events = [{**SENT, "message": text} for text in ("one", "two", "drop")]
    for name, rows in (("events", events), ("logstash", documents)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--profile", "a.conf", "--events", "events", "--logstash", "logstash"]
    given = [one if one.startswith("--") else str(tmp_path / one) for one in options]
    return CliRunner().invoke(prove, given, standalone_mode=False)


def made(text: str, **changes: Any) -> dict[str, Any]:
    return {
        **SENT, "message": text, "event": {"original": text}, "@version": "1", "seen": "yes",
        "tags": ["beats_input_codec_plain_applied"], **changes,
    }  # fmt: skip


def test_equal_documents_are_a_proof(tmp_path: Path) -> None:
    done = run(tmp_path, made("one"), {"_source": made("two")})

    assert done.return_value == 0, done.output
    assert "3 events, 1 dropped, 0 dead letters" in done.output
    assert "2 documents compared, 0 fields differ" in done.output


@pytest.mark.parametrize(
    ("documents", "seen"),
    [
        ([made("one"), made("two", seen="no")], "seen: 1 document, e.g. Logstash 'no'"),
        ([made("one"), made("two", n=1.0)], "n: 1 document, e.g. Logstash 1.0, ptingest 1"),
        (
            [made("one"), made("two", **{"@timestamp": "2025-01-02T03:04:07.123Z"})],
            "@timestamp: 1 document",
        ),
        ([made("one")], "0 of Logstash and 1 of ptingest have no counterpart"),
        ([made("one"), made("two"), made("x")], "1 of Logstash and 0 of ptingest"),
    ],
)
def test_whatever_differs_or_is_missing_is_shown(
    tmp_path: Path, documents: list[dict[str, Any]], seen: str
) -> None:
    done = run(tmp_path, *documents)

    assert done.return_value == 1
    assert seen in done.output
