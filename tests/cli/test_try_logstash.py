"""`ptingest try --profile FILE.conf`."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.support.command import run

CONFIG = """
filter {
  if [a] == "x" { mutate { add_field => { "b" => "%{a}\\t" "[@metadata][m]" => "1" } } }
  else { drop { } }
}
output { elasticsearch { index => "logs-%{a}" } }
"""
EVENTS = b'{"@timestamp":"2026-01-02T03:04:05Z","a":"x"}\n\n{"a":1}\n'


def test_each_event_gives_one_line_in_order(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text(CONFIG)

    ran = run("try", "--profile", "p.conf", "--json", "--bare", folder=tmp_path, given=EVENTS)

    assert (ran.code, ran.err) == (0, "")
    first, second = map(orjson.loads, ran.out.splitlines())
    assert first == {
        "events": [
            {
                "document": {
                    "@timestamp": "2026-01-02T03:04:05.000Z",
                    "@version": "1",
                    "a": "x",
                    "b": "x\\t",
                },
                "metadata": {"m": "1"},
                "targets": ["logs-x"],
            }
        ]
    }
    assert second == {"events": []}


def test_escapes_work_on_demand(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text(CONFIG)

    ran = run(
        "try", "--profile", "p.conf", "--json", "--support-escapes", folder=tmp_path, given=EVENTS
    )

    assert orjson.loads(ran.out.splitlines()[0])["events"][0]["document"]["b"] == "x\t"


def test_people_see_where_an_event_goes(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text(CONFIG)

    ran = run("try", "--profile", str(tmp_path), folder=tmp_path, given=EVENTS)

    told = ran.out.decode()
    assert told.startswith("indexed  logs-x\n{")
    assert "\ndropped\n" in told


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("filter { nothing { } }", "p.conf:1: there is no filter 'nothing'"),
        ("filter {\n mutate { a }\n}", "p.conf:2: '}' stands where '=>' was expected"),
        (None, "p.conf: cannot be read"),
    ],
)
def test_a_config_that_is_refused_ends_with_3(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / "p.conf").write_text(text)

    ran = run("try", "--profile", "p.conf", folder=tmp_path, given=b"")

    assert ran.code == 3
    assert sentence in ran.err
