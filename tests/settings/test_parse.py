"""YAML text to values that know their line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.errors import ConfigInvalid
from ptingest.settings.parse import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    dotted,
    parse,
    read_text,
    resolve,
)


def problems_of(text: str) -> str:
    """All problems of the text, whether parsing went on or not."""
    try:
        found = tuple(parse(text, file="f.yaml").problems)
    except ConfigInvalid as error:
        found = error.problems
    return "\n".join(map(str, found))


def test_every_value_keeps_the_line_of_its_key() -> None:
    parsed = parse("a: 1\nb:\n  c:\n    - x\n    - y\n  d: |\n    text\n", file="f.yaml")

    assert parsed.root == {"a": 1, "b": {"c": ["x", "y"], "d": "text\n"}}
    assert parsed.line(("a",)) == 1
    assert parsed.line(("b", "c")) == 3
    assert parsed.line(("b", "c", 1)) == 5
    assert parsed.line(("b", "d")) == 6


def test_a_missing_value_has_the_line_of_the_section_that_lacks_it() -> None:
    parsed = parse("a: 1\nb:\n  c: 2\n", file="f.yaml")

    assert parsed.line(("b", "hosts")) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("no", "no", id="a country, not false"),
        pytest.param("on", "on", id="on is text"),
        pytest.param("1:30", "1:30", id="no sexagesimal numbers"),
        pytest.param("010", 10, id="no octal by leading zero"),
        pytest.param("0x1f", 31, id="hexadecimal"),
        pytest.param("0o17", 15, id="octal as YAML 1.2 writes it"),
        pytest.param("-5", -5, id="negative"),
        pytest.param("1e3", 1000.0, id="exponent"),
        pytest.param(".5", 0.5, id="bare fraction"),
        pytest.param("1.", 1.0, id="trailing point"),
        pytest.param("1.2.3", "1.2.3", id="a version is text"),
        pytest.param("true", True, id="true"),
        pytest.param("False", False, id="capital false"),
        pytest.param("", None, id="nothing"),
        pytest.param("~", None, id="tilde"),
        pytest.param("null", None, id="null"),
        pytest.param("2025-01-02", "2025-01-02", id="a date is text"),
        pytest.param("=", "=", id="equals sign"),
        pytest.param("5\n", "5\n", id="a number ends where it ends"),
        pytest.param("9" * 5000, "9" * 5000, id="digits beyond any setting stay text"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    resolved = resolve(text)

    assert resolved == value
    assert type(resolved) is type(value)


def test_quoted_scalars_are_always_text() -> None:
    parsed = parse("a: '1'\nb: \"true\"\nc: ''\n", file="f.yaml")

    assert parsed.root == {"a": "1", "b": "true", "c": ""}


def test_an_empty_document_has_no_root() -> None:
    assert parse("# nothing\n", file="f.yaml").root is None


def test_the_first_of_two_equal_keys_counts_and_the_second_is_told() -> None:
    parsed = parse("a: 1\nb: {c: 1, c: {d: [2]}}\na: {x: 1}\nz: 1\n", file="f.yaml")

    assert parsed.root == {"a": 1, "b": {"c": 1}, "z": 1}
    assert [str(problem) for problem in parsed.problems] == [
        "f.yaml:2: b.c is given twice, first in line 2; keep one",
        "f.yaml:3: a is given twice, first in line 1; keep one",
    ]


def test_an_alias_is_refused_and_never_followed() -> None:
    laughs = "a: &a [x, x]\nb: [*a, *a]\n"

    parsed = parse(laughs, file="f.yaml")

    assert parsed.root["b"] == [None, None]
    assert [str(problem) for problem in parsed.problems] == [
        "f.yaml:2: b[0] is the alias *a; write the value out",
        "f.yaml:2: b[1] is the alias *a; write the value out",
    ]


def test_a_tag_is_refused_and_makes_no_object() -> None:
    parsed = parse("a: !!python/object/apply:os.system [echo]\n", file="f.yaml")

    assert parsed.root == {"a": ["echo"]}
    assert "has the tag" in str(parsed.problems[0])


def test_a_second_document_is_refused() -> None:
    parsed = parse("a: 1\n---\na: 2\n", file="f.yaml")

    assert parsed.root == {"a": 1}
    assert "f.yaml:2: begins a second document" in str(parsed.problems[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: [1\nb: 2\n", "f.yaml:2: is not YAML", id="an open bracket"),
        pytest.param("a: b: c\n", "f.yaml:1: is not YAML", id="two colons"),
        pytest.param("a:\n\tb: 1\n", "indent with spaces, not tabs", id="a tab"),
        pytest.param("a: [${X}]\n", 'in quotes: "${NAME:default}"', id="a bare variable in a list"),
        pytest.param("a: 1\nb: \x01\n", "f.yaml:2: holds the character U+0001", id="a control"),
        pytest.param("? [a]\n: 1\n", "a key that is not plain text", id="a list as key"),
        pytest.param("a: " + "[" * 60 + "]" * 60, f"more than {MAX_DEPTH} deep", id="deep"),
        pytest.param("a: *b\n", "f.yaml", id="an alias without an anchor"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(text: str, said: str) -> None:
    assert said in problems_of(text)


def test_endless_nesting_ends_in_a_problem_and_not_in_a_crash() -> None:
    assert "deep" in problems_of("[" * 100_000)


def test_places_are_written_as_people_do() -> None:
    assert dotted(("sinks", "elasticsearch", "hosts", 0)) == "sinks.elasticsearch.hosts[0]"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab:-[]{}&*!'\"|># \n\t$0\x00é")), max_size=60))
def test_any_text_is_parsed_or_refused_as_invalid_config(text: str) -> None:
    try:
        parsed = parse(text, file="f.yaml")
    except ConfigInvalid:
        return

    assert parsed.root is None or () in parsed.lines


class TestReadText:
    """`read_text`, against a real folder."""

    def test_a_byte_order_mark_is_no_content(self, tmp_path: Path) -> None:
        file = tmp_path / "c.yaml"
        file.write_bytes(b"\xef\xbb\xbfa: 1\n")

        assert read_text(file, shown="c.yaml") == "a: 1\n"

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            pytest.param(None, "c.yaml: cannot be read: No such file", id="missing"),
            pytest.param(b"a: 1\nb: \xff\n", "c.yaml:2: byte 0xff is not UTF-8", id="latin-1"),
            pytest.param(b"#" * (MAX_FILE_BYTES + 1), "is larger than", id="a log file"),
        ],
    )
    def test_what_cannot_be_read_is_told(
        self, tmp_path: Path, content: bytes | None, said: str
    ) -> None:
        file = tmp_path / "c.yaml"
        if content is not None:
            file.write_bytes(content)

        with pytest.raises(ConfigInvalid) as caught:
            read_text(file, shown="c.yaml")

        assert said in str(caught.value)

    def test_a_folder_is_no_config(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigInvalid, match="Is a directory"):
            read_text(tmp_path, shown="folder")
