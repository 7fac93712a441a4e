"""The filter ``python``."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from ptingest.pipeline.decode import MAX_DEPTH
from ptingest.pipeline.logstash.compile import Program, compile_config
from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.parse import parse
from tests.support.modules import ROOT


def compiled(folder: Path, script: str) -> Program:
    """Compile a filter whose script is in the folder of the config."""
    (folder / "enrich.py").write_text(dedent(script))
    text = 'filter { python { path => "enrich.py" add_tag => "ok" } }'
    return compile_config(parse(text, {}, file="a.conf"), folder=folder)


def results(program: Program, **fields: Any) -> list[dict[str, Any]]:
    found = program.run(new_event(fields, now_ns=0))
    return [
        {key: value for key, value in one.event.fields.items() if key[0] != "@"} for one in found
    ]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("def filter(event): return event", [{"a": 1, "tags": ["ok"]}]),
        ("def filter(event): pass", []),
        (
            """
            def filter(event):
                event.set("[n][twice]", event.get("a") * 2)
                event.remove("a")
                event.tag("t")
                return event
            """,
            [{"n": {"twice": 2}, "tags": ["t", "ok"]}],
        ),
        (
            """
            def filter(event):
                for number in range(2):
                    one = event.clone()
                    one.set("a", number)
                    yield one
            """,
            [{"a": 0, "tags": ["ok"]}, {"a": 1, "tags": ["ok"]}],
        ),
        (
            "def filter(event): return [event, event.clone()]",
            [{"a": 1, "tags": ["ok"]}, {"a": 1, "tags": ["ok"]}],
        ),
        ("def filter(event): return []", []),
    ],
)
def test_a_function_changes_drops_and_adds_events(
    tmp_path: Path, script: str, found: list[dict[str, Any]]
) -> None:
    assert results(compiled(tmp_path, script), a=1) == found


def test_a_function_works_on_as_many_levels_as_a_payload_may_have(tmp_path: Path) -> None:
    lists: Any = 1
    objects: Any = 1
    for _ in range(MAX_DEPTH):
        lists, objects = [lists], {"a": objects}
    script = "def filter(event):\n    event.set('b', event.get('a'))\n    return event"

    (found,) = results(compiled(tmp_path, script), a=[lists, objects])

    assert found["b"] == found["a"]
    assert found["tags"] == ["ok"]


BEGIN = "def filter(event):\n    event.set('b', 1)\n    "


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("return 1 / 0", ":3: ZeroDivisionError"),
        ("event.set('c', {5})", ":3: TypeError: a field cannot hold a set"),
        ("raise SystemExit(3)", ":3: SystemExit: 3"),
        ("return True", ": TypeError: filter returned a bool"),
        ("return [5]", ": TypeError: filter returned a int among"),
        ("return [event, event]", ": ValueError: filter returned one event twice"),
        ("yield event.clone(); raise OSError('x')", ":3: OSError: x"),
    ],
)
def test_an_error_tags_the_event_and_is_counted_and_the_line_goes_on(
    tmp_path: Path, script: str, said: str
) -> None:
    program = compiled(tmp_path, BEGIN + script)

    found = [results(program, a=1) for _ in range(2)]

    assert found == [[{"a": 1, "b": 1, "tags": ["_pythonexception"]}]] * 2
    assert program.plugins[0].failures == 2
    assert program.plugins[0].last_error.startswith(f"enrich.py{said}")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("", r"enrich\.py defines no function filter\(event\)"),
        ("filter = 5", r"enrich\.py defines no function filter\(event\)"),
        ("def filter(event):\n  x = = 1", r"enrich\.py:2: SyntaxError"),
        ("import json\nimport nothing_of_this_name", r"enrich\.py:2: ModuleNotFoundError"),
        ("raise SystemExit(2)", r"enrich\.py:1: SystemExit: 2"),
    ],
)
def test_a_script_that_cannot_run_is_refused(tmp_path: Path, script: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig, match=sentence):
        compiled(tmp_path, script)


def test_a_script_that_is_not_there_is_refused(tmp_path: Path) -> None:
    text = 'filter { python { path => "nothing.py" } }'

    with pytest.raises(RefusedConfig, match=r"a\.conf:1:19: python: .*nothing\.py cannot be read"):
        compile_config(parse(text, {}, file="a.conf"), folder=tmp_path)


def test_a_script_keeps_its_own_state(tmp_path: Path) -> None:
    program = compiled(
        tmp_path,
        """
        seen = 0

        def filter(event):
            global seen
            seen += 1
            event.set("seen", seen)
            return event
        """,
    )

    assert [results(program)[0]["seen"] for _ in range(3)] == [1, 2, 3]


def test_the_example_of_the_docs_does_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/logstash-filters.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    program = compiled(tmp_path, script)

    assert results(program, http={"request": {"method": "HEAD"}}) == []
    found = results(program, price=200, items=["a"])
    assert [one.get("item") for one in found] == [None, "a"]
    assert {one["order"]["class"] for one in found} == {"large"}
    assert results(program)[0]["tags"] == ["no_price", "ok"]
    assert program.plugins[0].failures == 0
