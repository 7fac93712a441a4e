"""Filters that are rows of operations."""

from __future__ import annotations

from ptingest.pipeline.logstash.event import Event, new_event
from ptingest.pipeline.logstash.operations import Operations, WriteText
from ptingest.pipeline.logstash.values import FieldError


def fail(_event: Event) -> None:
    raise FieldError("no")


def test_what_was_done_before_an_operation_that_fails_stays() -> None:
    event = new_event({"a": "x"}, now_ns=0)

    Operations([WriteText("[b][c]", "%{a}!"), fail, WriteText("d", "y")], "_failed")(event)

    assert event.fields["b"] == {"c": "x!"}
    assert event.fields["tags"] == ["_failed"]
    assert "d" not in event.fields
