"""Events as scripts see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.script_event import ScriptEvent, event_of
from ptingest.pipeline.logstash.values import FieldError, Timestamp

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
NS = 1_767_323_045_678_901_000


def script_event(**fields: Any) -> ScriptEvent:
    return ScriptEvent(new_event({"@timestamp": Timestamp(NS), **fields}, now_ns=0))


def test_fields_are_read_and_set_by_reference() -> None:
    event = script_event(a={"b": [1, {"c": 2}]})

    event.set("[x][y]", (1, 2.5, Decimal("0.1"), None, True))
    event.set("[@metadata][m]", "k")

    assert event.get("[a][b][1][c]") == 2
    assert event.get("[x][y]") == [1, 2.5, Decimal("0.1"), None, True]
    assert event.get("nothing") is None
    assert event.get("nothing", 5) == 5
    assert event.remove("[a][b]") == [1, {"c": 2}]
    assert event.remove("nothing") is None
    assert event.to_dict() == {
        "@timestamp": MOMENT,
        "@version": "1",
        "a": {},
        "x": {"y": [1, 2.5, Decimal("0.1"), None, True]},
        "@metadata": {"m": "k"},
    }


def test_times_are_datetimes() -> None:
    event = script_event()

    event.set("@timestamp", event.get("@timestamp") + timedelta(seconds=1))
    event.set("t", {"l": [datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))]})

    assert event.get("@timestamp") == MOMENT + timedelta(seconds=1)
    assert event_of(event).fields["t"] == {"l": [Timestamp(0)]}


def test_what_a_script_gets_is_a_copy() -> None:
    event = script_event(a=[1], tags=["t"])

    event.get("a").append(2)
    event.to_dict()["a"].append(2)
    event.tags.append("u")
    event.clone().set("a", 5)

    assert event.get("a") == [1]
    assert event.tags == ["t"]


@pytest.mark.parametrize(("tags", "found"), [(None, []), ("t", ["t"]), (["t", "u"], ["t", "u"])])
def test_tags_are_a_list(tags: Any, found: list[str]) -> None:
    event = script_event(**({} if tags is None else {"tags": tags}))
    before = event.tags

    event.tag("new")
    event.tag("new")

    assert before == found
    assert event.tags == [*found, "new"]
    assert event_of(event).failures == 0


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("a", {1}, TypeError),
        ("a", object(), TypeError),
        ("a", b"x", TypeError),
        ("a", [{5: 1}], TypeError),
        ("a", 10**1000, ValueError),
        ("a", float("nan"), ValueError),
        ("a", Decimal("Infinity"), ValueError),
        ("a", datetime(2026, 1, 1), ValueError),  # noqa: DTZ001
        ("@timestamp", "2026-01-01", FieldError),
        ("tags", 5, FieldError),
        ("[s][x]", 5, FieldError),
        ("[a", 5, FieldError),
    ],
)
def test_what_a_document_cannot_hold_is_an_error(
    name: str, value: Any, error: type[Exception]
) -> None:
    event = script_event(s="text")

    with pytest.raises(error):
        event.set(name, value)
