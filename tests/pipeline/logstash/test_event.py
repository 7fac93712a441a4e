"""Events: fields, metadata, tags, and what cannot be set."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec import Raw

from ptingest.pipeline.logstash.event import MISSING, Event, new_event, reference
from ptingest.pipeline.logstash.values import FieldError, Timestamp, copied

NOW = 1_767_323_045_000_000_000


def event(**fields: object) -> Event:
    return new_event(fields, now_ns=NOW)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", {"b": [1, {"c": 2}]}),
        ("[a][b]", [1, {"c": 2}]),
        ("[a][b][0]", 1),
        ("[a][b][-1][c]", 2),
        ("[a][b][2]", MISSING),
        ("[a][x]", MISSING),
        ("[a][b][0][c]", MISSING),
        ("@version", "1"),
        ("@timestamp", Timestamp(NOW)),
        ("[@metadata]", {"m": 1}),
        ("[@metadata][m]", 1),
    ],
)
def test_a_reference_finds_its_field(text: str, value: object) -> None:
    one = new_event({"a": {"b": [1, {"c": 2}]}, "@metadata": {"m": 1}}, now_ns=NOW)
    assert one.get(reference(text)) == value


def test_parents_are_made() -> None:
    one = event()
    one.set(reference("[a][b][c]"), 1)
    one.set(reference("[@metadata][x][y]"), 2)
    assert one.fields["a"] == {"b": {"c": 1}}
    assert one.metadata == {"x": {"y": 2}}


@pytest.mark.parametrize("parent", ["text", 1, None])
def test_a_parent_that_is_no_object_cannot_take_a_field(parent: object) -> None:
    one = event(a=parent)
    with pytest.raises(FieldError, match=r"\[a\]\[b\]"):
        one.set(reference("[a][b]"), 1)
    assert one.fields["a"] == parent


@pytest.mark.parametrize(("text", "value"), [("@timestamp", "2026"), ("tags", 5), ("tags", {})])
def test_fields_with_a_kind_of_their_own_refuse_others(text: str, value: object) -> None:
    with pytest.raises(FieldError):
        event().set(reference(text), value)


def test_what_is_removed_is_returned() -> None:
    one = event(a={"b": 1, "l": [1, 2]})
    assert one.remove(reference("[a][b]")) == 1
    assert one.remove(reference("[a][l][0]")) == 1
    assert one.remove(reference("[a][b]")) is MISSING
    assert one.fields["a"] == {"l": [2]}


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, ["t"]), ("t", "t"), ("s", ["s", "t"]), (["t"], ["t"]), (["s"], ["s", "t"])],
)
def test_a_failure_is_tagged_once(before: object, after: object) -> None:
    one = event()
    one.fields["tags"] = before
    one.tag("t")
    assert one.fields["tags"] == after


def test_a_clone_shares_nothing() -> None:
    one = event(a={"b": [1]})
    other = one.clone()
    other.fields["a"]["b"].append(2)
    assert one.fields["a"] == {"b": [1]}


@pytest.mark.parametrize(
    ("tags", "fields"),
    [
        (["a", "b"], {"tags": ["a", "b"]}),
        ("a", {"tags": "a"}),
        ([1], {"tags": ["_tagsparsefailure"], "_tags": [[1]]}),
        (None, {"tags": ["_tagsparsefailure"], "_tags": [None]}),
        ({"a": 1}, {"tags": ["_tagsparsefailure"], "_tags": [{"a": 1}]}),
    ],
)
def test_tags_that_are_none_are_moved(tags: object, fields: dict[str, object]) -> None:
    found = event(tags=tags).fields
    assert {key: found[key] for key in ("tags", "_tags") if key in found} == fields


def test_a_time_that_is_none_is_moved() -> None:
    one = new_event({"@timestamp": "yesterday"}, now_ns=NOW)
    assert one.fields["@timestamp"] == Timestamp(NOW)
    assert one.fields["_@timestamp"] == "yesterday"
    assert one.fields["tags"] == ["_timestampparsefailure"]
    assert new_event({"@timestamp": "2026-01-02"}, now_ns=NOW).timestamp == Timestamp(
        1_767_312_000_000_000_000
    )


def test_failures_are_counted() -> None:
    one = event()
    one.tag("t")
    one.tag("t")
    assert one.failures == 2


UNREAD = {"a": Raw(b'{"b":[1,{"c":2}]}'), "tags": Raw(b'["x"]'), "n": Raw(b"1e400"), "z": "z"}
READ = {"a": {"b": [1, {"c": 2}]}, "tags": ["x"], "n": Decimal("1e400"), "z": "z"}


@pytest.mark.parametrize(
    "work",
    [
        lambda one: one.get(reference("[a][b][1][c]")),
        lambda one: one.get(reference("[@metadata][m]")),
        lambda one: one.set(reference("[a][d]"), 1),
        lambda one: one.set(reference("[a][b][0]"), 1),
        lambda one: one.set(reference("a"), 1),
        lambda one: one.remove(reference("a")),
        lambda one: one.remove(reference("[a][b][1]")),
        lambda one: one.remove(reference("[@metadata]")),
        lambda one: one.read("n"),
        lambda one: one.tag("y"),
        lambda one: one.clone().tag("y"),
    ],
)
def test_what_nobody_has_read_yet_is_as_if_it_were_decoded(work: Callable[[Event], object]) -> None:
    unread = Event(dict(UNREAD), Raw(b'{"m":1}'), now_ns=NOW)
    read = Event(copied(READ), {"m": 1}, now_ns=NOW)

    assert work(unread) == work(read)
    assert list(unread.fields.items()) == list(read.fields.items())
    assert unread.metadata == read.metadata


def test_only_what_is_read_is_decoded() -> None:
    one = Event(dict(UNREAD), {}, now_ns=NOW)
    one.get(reference("[a][b]"))

    assert one.root == {**UNREAD, "a": READ["a"]}
