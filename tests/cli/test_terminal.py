"""Colours and widths of what commands print."""

from __future__ import annotations

import io
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.cli.terminal import finding_lines, wants_no_colour, width_of, wrapped
from ptingest.model.finding import Finding
from tests.cli.terminals import terminal

LONG = "a finding of many words that says what was seen " * 4
TWO_CURES = Finding("problem", "sinks", LONG, "the first cure\nthe second `ptingest x --y z`", "x")


@pytest.mark.parametrize(
    ("environ", "is_plain"),
    [
        ({}, False),
        ({"TERM": "xterm"}, False),
        ({"NO_COLOR": ""}, False),
        ({"NO_COLOR": "1"}, True),
        ({"NO_COLOR": "0", "TERM": "xterm-256color"}, True),
        ({"TERM": "dumb"}, True),
        ({"TERM": "unknown"}, True),
    ],
)
def test_no_color_and_dumb_terminals_get_no_colours(
    environ: dict[str, str], is_plain: bool
) -> None:
    assert wants_no_colour(environ) is is_plain


def test_what_is_not_a_terminal_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    assert width_of(io.StringIO()) is None


@given(st.text("ab `", max_size=60), st.integers(20, 50))
def test_no_line_is_wider_and_no_word_is_lost(text: str, width: int) -> None:
    lines = wrapped(text, first="- ", indent=2, width=width)

    words = " ".join(lines)[2:].split()
    assert words == text.split()
    assert all(len(line) <= width or " " not in line[2:].strip(" `") or "`" in line
               for line in lines)  # fmt: skip


def test_a_command_is_never_divided() -> None:
    command = "`ptingest dead-letters list --config /etc/ptingest/ptingest.yaml`"

    lines = wrapped(f"look at each of them with {command} first", width=40)

    assert any(command in line for line in lines)
    assert len(lines) > 2


def test_each_cure_has_its_line_below_the_finding() -> None:
    lines = [click.unstyle(line) for line in finding_lines(TWO_CURES, width=None)]

    assert lines == [
        f"problem  sinks: {LONG}",
        "         looked at: x",
        "         cure: the first cure",
        "         cure: the second `ptingest x --y z`",
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_long_findings_keep_to_the_width_with_their_lines_below_each_other(width: int) -> None:
    first, *rest = [click.unstyle(line) for line in finding_lines(TWO_CURES, width=width)]

    assert first.startswith("problem  sinks:")
    assert all(line.startswith(" " * 9) for line in rest)
    # What cannot be divided may be wider: here the command.
    assert all(len(line) <= width for line in [first, *rest] if "`" not in line)


def test_a_finding_cannot_command_the_terminal() -> None:
    hostile = Finding("ok", "\x1b[2J", "\x07a\nb", "\x9b31m\ncure", "\x1b")

    lines = [click.unstyle(line) for line in finding_lines(hostile, width=80)]

    assert all(line.isprintable() for line in lines)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("environ", "is_plain"), [({}, False), ({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, True)]
)
def test_a_command_on_a_terminal_obeys(
    tmp_path: Path, environ: dict[str, str], is_plain: bool
) -> None:
    config = tmp_path / "ptingest.yaml"
    config.write_text("sinks: {elasticsearch: {hosts: ['http://es:9200']}}\n")
    with terminal("check", "--config", config, environ=environ) as shown:
        assert shown.ended() == 0

        assert (b"\x1b[" not in shown.written) is is_plain
        assert "The config is valid." in shown.text


@pytest.mark.timeout(60)
def test_an_error_is_wrapped_at_the_terminals_width(tmp_path: Path) -> None:
    config = tmp_path / "ptingest.yaml"
    config.write_text("sinks: {elasticsearch: {hosts: ['es:9200'], username: someone}}\n")
    with terminal("check", "--config", config, columns=60) as shown:
        assert shown.ended() == 3

    assert all(
        len(line) <= 60 or " " not in line.strip() for line in shown.written.decode().splitlines()
    )
