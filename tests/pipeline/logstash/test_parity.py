"""Rows recorded from Logstash: a config, events, and all that came out, names of outputs included.

``recorded_rows.json.gz`` is a list of rows ``{name, config, ecs, settings, now, cases | error}``,
a case is ``{event, results, outputs, volatile, alt, error}``. Fields in ``volatile`` hold a clock;
``alt`` is what other releases gave, each is right; a case with ``error`` ended Logstash's worker.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ptingest.pipeline.logstash.compile import Program, Result, compile_config
from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.values import json_text

ROWS = Path(__file__).with_name("recorded_rows.json.gz")
OTHER_ORDER = {
    "fuzz-json-012": 1,
    "fuzz-json-015": 1,
    "mutate-add_field-181": 6,
    "sprintf-42": 1,
}
"""Rows, and how many of their cases differ only in the order of keys in the text of an object:
Logstash has the order of memory addresses there."""
WORDS = {"fuzz": 2, "grok": 2, "mutate": 2}
"""How many words of a row's name make its group, where it is not one."""

Row = dict[str, Any]


@cache
def rows() -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in json.loads(gzip.decompress(ROWS.read_bytes())):
        words = row["name"].split("-")
        groups["-".join(words[: WORDS.get(words[0], 1)])].append(row)
    return groups


@pytest.mark.timeout(240)
@pytest.mark.parametrize("group", sorted(rows()))
def test_a_recorded_row_holds(group: str) -> None:
    different = {
        row["name"]: count for row in rows()[group] if (count := sum(1 for _ in differences(row)))
    }

    assert different == {name: OTHER_ORDER[name] for name in different if name in OTHER_ORDER}


def differences(row: Row) -> Iterator[Any]:
    """Yield the cases that differ, or why the row as a whole does."""
    try:
        program = compiled(row)
    except RefusedConfig as error:
        if "error" not in row:
            yield str(error)
        return
    if "error" in row:
        yield f"runs, but Logstash refuses it: {row['error']}"
        return
    now_ns = int(datetime.fromisoformat(row["now"]).timestamp()) * 1_000_000_000
    for case in row["cases"]:
        if "error" not in case and not holds(case, run(program, case["event"], now_ns)):
            yield case


def compiled(row: Row) -> Program:
    has_escapes = row.get("settings", {}).get("config.support_escapes", False)
    config = parse(row["config"], {}, file=row["name"], has_escapes=has_escapes)
    return compile_config(config, has_ecs=row["ecs"] != "disabled")


def run(program: Program, event: dict[str, Any], now_ns: int) -> list[Result]:
    return program.run(new_event(json.loads(json.dumps(event)), now_ns=now_ns))


def holds(case: Row, results: list[Result]) -> bool:
    got = [document(result) for result in results]
    wanted = (case, *case.get("alt", {}).values())
    volatile = set(case.get("volatile", ()))
    right = any(
        bag(one["results"], volatile) == bag(got, volatile) for one in wanted if "error" not in one
    )
    return right and ("outputs" not in case or case["outputs"] == targets(results))


def document(result: Result) -> dict[str, Any]:
    """The document as it is written and read again."""
    fields = dict(result.event.fields)
    if result.event.metadata:
        fields["@metadata"] = result.event.metadata
    read: dict[str, Any] = json.loads(json_text(fields), parse_float=decimal)
    return read


def decimal(text: str) -> object:
    number = float(text)
    return number if math.isfinite(number) else {"$bigdecimal": text}


def bag(events: list[dict[str, Any]], volatile: set[str]) -> Counter[Any]:
    """Events in any order, without what the clock made."""
    kept = ({key: value for key, value in one.items() if key not in volatile} for one in events)
    return Counter(plain(one) for one in kept)


def plain(value: Any) -> Any:
    """Integers and decimals apart, lists in order, keys in any order."""
    if isinstance(value, list):
        return ("list", tuple(plain(one) for one in value))
    if isinstance(value, dict):
        return ("object", frozenset((key, plain(one)) for key, one in value.items()))
    return (type(value).__name__, value)


def targets(results: list[Result]) -> list[dict[str, Any]]:
    """Where events go, as the rows have it: options that are not set do not stand there."""
    found = []
    for target in (target for result in results for target in result.targets):
        named = {
            "output": "elasticsearch",
            "index": target.name,
            "action": None if target.action == "index" else target.action,
            "document_id": target.document_id,
            "pipeline": target.pipeline,
            "routing": target.routing,
        }
        found.append({key: value for key, value in named.items() if value is not None})
    return found
