"""A document is one line, whatever is in it."""

from __future__ import annotations

import click
import pytest

from ptingest.cli.document_line import document_line

DOCUMENT = {
    "@timestamp": "2025-01-02T03:04:05.000Z",
    "log_level": "ERROR",
    "service": "django",
    "logger_name": "apps.parcels",
    "log_message": "broken",
    "message": "ERROR|apps.parcels|...|broken",
}


def plain(document: dict[str, object]) -> str:
    return click.unstyle(document_line(document, "logs-x-pt"))


def test_time_level_service_logger_and_text() -> None:
    assert plain(DOCUMENT) == "2025-01-02T03:04:05.000Z ERROR    django apps.parcels broken"


def test_what_is_missing_leaves_no_hole() -> None:
    assert plain({"message": "x"}) == "- -        logs-x-pt x"


@pytest.mark.parametrize("field", ["@timestamp", "log_level", "service", "logger_name", "message"])
def test_nothing_in_a_document_commands_the_terminal(field: str) -> None:
    line = plain({field: "a\x1b[2J\x9b31m\u202eb\nc"})

    assert line.isprintable()


def test_a_field_of_an_odd_type_is_shown_as_json() -> None:
    assert "[1,null]" in plain({"message": [1, None]})
