from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.api.console.documents import (
    COLUMNS_MOST,
    DEFAULT_COLUMNS,
    body_of,
    cell,
    columns_of,
    csv_header,
    csv_lines,
    fields_of,
    harmless,
    message_of,
    pretty,
    shown_fields,
    text_of,
    value_text,
)
from ptingest.kql.fields import value_of
from ptingest.model.explore import Hit


def hit(body: str) -> Hit:
    return Hit("1", None, "2025-01-01T00:00:00.000Z", "logs-a-pt", "key", body)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (None, list(DEFAULT_COLUMNS)),
        ("", list(DEFAULT_COLUMNS)),
        (" , ", list(DEFAULT_COLUMNS)),
        ("a, b.c ,a,,", ["a", "b.c"]),
        (",".join(map(str, range(99))), [str(number) for number in range(COLUMNS_MOST)]),
    ],
)
def test_columns_are_those_of_the_address(text: str | None, columns: list[str]) -> None:
    assert columns_of(text) == columns


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("host.name", "pt"),
        ("http.status", "200"),
        ("tags", '["a","b"]'),
        ("ok", "true"),
        ("nothing", ""),
        ("missing.deep", ""),
        ("host.name.deeper", ""),
        ("message", "parsed"),
        ("_id", "key"),
        ("_index", "logs-a-pt"),
    ],
)
def test_a_cell_shows_a_field_as_text(name: str, text: str) -> None:
    one = hit(
        '{"host":{"name":"pt"},"http.status":200,"tags":["a","b"],"ok":true,"nothing":null,'
        '"message":"whole","log_message":"parsed"}'
    )

    assert cell(one, body_of(one), name) == text


def test_a_column_of_a_file_holds_the_field_of_its_name() -> None:
    one = hit('{"message":"whole","log_message":"parsed"}')

    found = [value_text(one, body_of(one), name) for name in ("message", "log_message", "_id")]

    assert found == ["whole", "parsed", "key"]


def test_names_of_fields_in_a_header_stay_as_they_are() -> None:
    names = ["@timestamp", "log.file.path", "_id", "@SUM(A1)", "=1", "host-name"]

    assert csv_header(names) == b"@timestamp,log.file.path,_id,'@SUM(A1),'=1,host-name\r\n"


@pytest.mark.parametrize("body", ["", "no JSON", "[1]", "7", "[" * 5000])
def test_what_is_no_document_has_no_fields(body: str) -> None:
    assert body_of(hit(body)) == {}
    assert pretty(body) == body or body in ("[1]", "7")


def test_fields_are_told_by_their_dotted_names_in_order() -> None:
    body = {"z": 1, "a": {"c": [1], "b": {"d": None}}, "e": {}}

    assert fields_of(body) == [("a.b.d", None), ("a.c", [1]), ("e", {}), ("z", 1)]
    assert [text_of(value_of(body, name)) for name, _ in fields_of(body)] == ["", "[1]", "{}", "1"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"


@settings(deadline=None)
@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=1), min_size=1))
def test_a_file_holds_what_the_rows_hold(rows: list[list[str]]) -> None:
    read = csv.reader(io.StringIO(csv_lines(rows).decode(), newline=""))

    assert list(read) == [[harmless(one) for one in row] for row in rows]


def test_half_a_character_does_not_stop_an_export() -> None:
    assert csv_lines([["\ud83d"]]) == b"?\r\n"


@pytest.mark.parametrize(
    "body",
    [
        '{"service":' + "[" * 900 + "]" * 900 + "}",
        '{"service":' * 900 + "1" + "}" * 900,
        '{"service":' + "9" * 5000 + "}",
    ],
    ids=["lists", "objects", "digits"],
)
def test_whatever_a_document_holds_it_can_be_shown(body: str) -> None:
    fields = body_of(hit(body))

    assert isinstance(cell(hit(body), fields, "service"), str)
    assert all(len(name) < 1000 and text_of(value) for name, value in fields_of(fields))
    assert pretty(body)


def test_long_numbers_are_shown_to_the_last_digit() -> None:
    body = '{"n":123456789012345678901234567890}'

    assert cell(hit(body), body_of(hit(body)), "n") == "123456789012345678901234567890"
    assert "123456789012345678901234567890" in pretty(body)


TRACEBACK = 'carrier said no\nTraceback (most recent call last):\n  File "a.py", line 1'


def test_a_message_is_shown_once_and_what_was_found_in_it_before_the_rest() -> None:
    line = f"ERROR|apps.x|2025-01-02T03:04:05|{TRACEBACK}"
    body = {
        "@timestamp": "2025-01-02T03:04:05.000Z", "message": line, "log_message": TRACEBACK,
        "event": {"original": line}, "host": {"name": "web-1"}, "service": "django",
        "log_level": "ERROR", "zone": "carrier",
    }  # fmt: skip

    own, others = shown_fields(body, message_of(body))

    assert [one.name for one in own] == ["log_level", "service", "host.name"]
    texts = {one.name: (one.text, one.repeats_message) for one in others}
    assert message_of(body) == TRACEBACK
    assert texts["message"] == texts["event.original"] == (line.removesuffix(TRACEBACK), True)
    assert texts["log_message"] == ("", True)
    assert texts["zone"] == ("carrier", False)


@pytest.mark.parametrize("body", [{}, {"message": ""}, {"message": None}, {"log_message": ["a"]}])
def test_without_a_message_no_field_repeats_it(body: dict[str, object]) -> None:
    own, others = shown_fields({**body, "other": "text"}, message_of(body))

    assert own == []
    assert not any(one.repeats_message for one in others)
