from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.json import encode as as_json

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import (
    constant_writer,
    is_text,
    reader,
    remover,
    writer,
)
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.values import FieldError, Timestamp, copied

KEYS = st.sampled_from(["a", "b", "0", "-1", "tags", "@timestamp", "@metadata", ""])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["x", Timestamp(5)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(KEYS, VALUES, max_size=4)
REFERENCES = st.lists(KEYS.filter(bool), min_size=1, max_size=4).map(
    lambda keys: "".join(f"[{key}]" for key in keys)
)


def event_of(fields: dict[str, Any], metadata: dict[str, Any]) -> Event:
    """An event with fields as a Beat sent them where JSON can say so."""
    root = {
        name: Raw(as_json(value)) if is_json(value) else value for name, value in fields.items()
    }
    return Event(copied(root), copied(metadata), now_ns=0)


def is_json(value: object) -> bool:
    return "Timestamp" not in repr(value)


@given(text=REFERENCES, fields=FIELDS, metadata=FIELDS)
def test_a_reader_gives_what_the_event_gives(
    text: str, fields: dict[str, Any], metadata: dict[str, Any]
) -> None:
    event = event_of(fields, metadata)

    found = reader(text)(event)

    assert found is event.get(parse_reference(text))


@given(text=REFERENCES, fields=FIELDS, metadata=FIELDS, value=VALUES)
def test_a_writer_does_what_the_event_does(
    text: str, fields: dict[str, Any], metadata: dict[str, Any], value: object
) -> None:
    written, plain = event_of(fields, metadata), event_of(fields, metadata)

    outcomes = [
        outcome(lambda: writer(text)(written, value)),
        outcome(lambda: plain.set(parse_reference(text), value)),
    ]

    assert outcomes[0] == outcomes[1]
    assert (written.fields, written.metadata) == (plain.fields, plain.metadata)


@given(text=REFERENCES, fields=FIELDS, metadata=FIELDS)
def test_a_remover_does_what_the_event_does(
    text: str, fields: dict[str, Any], metadata: dict[str, Any]
) -> None:
    cut, plain = event_of(fields, metadata), event_of(fields, metadata)

    assert remover(text)(cut) == plain.remove(parse_reference(text))
    assert (cut.fields, cut.metadata) == (plain.fields, plain.metadata)


@given(text=REFERENCES, fields=FIELDS, metadata=FIELDS)
def test_a_text_is_set_and_recognised(
    text: str, fields: dict[str, Any], metadata: dict[str, Any]
) -> None:
    written, plain = event_of(fields, metadata), event_of(fields, metadata)
    is_there = plain.get(parse_reference(text)) == "x"

    assert is_text(text, "x")(written) is is_there
    assert outcome(lambda: constant_writer(text, "x")(written)) == outcome(
        lambda: plain.set(parse_reference(text), "x")
    )
    assert written.fields == plain.fields


def outcome(act: Any) -> str:
    try:
        act()
    except FieldError as error:
        return str(error)
    return "done"


def test_a_bad_reference_is_told_when_it_is_used() -> None:
    event = event_of({}, {})

    with pytest.raises(FieldError, match="invalid field reference"):
        reader("[a")(event)
    with pytest.raises(FieldError, match="invalid field reference"):
        writer("[a")(event, 1)
    assert reader("a")(event) is MISSING
