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


def test_people_see_what_an_event_went_through(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text(CONFIG)

    ran = run("try", "--profile", "p.conf", folder=tmp_path, given=EVENTS)

    first, second = ran.out.decode().split("\n\n")[:2]
    assert first.startswith(
        'indexed\n  p.conf:3:6  if [a] == "x": true\n  p.conf:3:19  mutate: done\n'
        "goes to  logs-x\n{"
    )
    assert second == (
        'dropped  filter\n  p.conf:3:6  if [a] == "x": false\n  p.conf:4:10  drop: dropped'
    )


def test_what_the_beats_input_adds_is_there_unless_it_is_bare(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text("output { stdout { } }")

    def document(*options: str) -> dict[str, object]:
        ran = run(
            "try", "--profile", ".", "--json", *options, folder=tmp_path, given=b'{"message":"m"}'
        )
        found: dict[str, object] = orjson.loads(ran.out)["events"][0]["document"]
        return {key: found.get(key) for key in ("message", "event", "tags")}

    codec = ["beats_input_codec_plain_applied"]
    assert document() == {"message": "m", "event": {"original": "m"}, "tags": codec}
    assert document("--bare") == {"message": "m", "event": None, "tags": None}
    assert document("--ecs-compatibility", "disabled") == {
        "message": "m",
        "event": None,
        "tags": codec,
    }


def test_a_broken_line_is_a_dead_letter(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text("filter { }")

    ran = run("try", "--profile", ".", "--json", "--bare", folder=tmp_path, given=b"what\n[1]\n")

    assert [orjson.loads(line) for line in ran.out.splitlines()] == [
        {"events": [], "reason": "not_json"},
        {"events": [], "reason": "not_an_object"},
    ]


def test_a_number_beyond_a_double_is_shown_as_its_text(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text('filter { json { source => "m" } }')

    ran = run(
        "try", "--profile", ".", "--json", "--bare", folder=tmp_path,
        given=b'{"m":"{\\"n\\":1e400,\\"f\\":1.5e3}"}',
    )  # fmt: skip

    document = orjson.loads(ran.out)["events"][0]["document"]
    assert (document["n"], document["f"]) == ({"$bigdecimal": "1E+400"}, 1500.0)


@pytest.mark.parametrize("option", ["--bare", "--support-escapes"])
def test_options_of_a_logstash_config_are_for_one(tmp_path: Path, option: str) -> None:
    ran = run("try", option, folder=tmp_path, given=b"")

    assert ran.code == 2
    assert "are for a logstash.conf" in ran.err


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("filter { nothing { } }", ["p.conf:1:10: there is no filter 'nothing'"]),
        ("filter {\n mutate { a }\n}", ["p.conf:2:13: '}' stands where '=>' was expected"]),
        (
            "filter { nothing { } mutate { what => 1 } }",
            ["p.conf:1:10: there is no filter", "p.conf:1:31: mutate has no option 'what'"],
        ),
        (None, ["p.conf: "]),
    ],
)
def test_a_config_that_is_refused_ends_with_3(
    tmp_path: Path, text: str | None, sentences: list[str]
) -> None:
    if text is not None:
        (tmp_path / "p.conf").write_text(text)

    ran = run("try", "--profile", "p.conf", folder=tmp_path, given=b"")

    assert ran.code == 3
    assert all(sentence in ran.err for sentence in sentences)
