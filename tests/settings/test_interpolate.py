"""Variables and files in config values."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.settings.interpolate import MAX_SECRET_BYTES, Interpolated, interpolate
from ptingest.settings.parse import ParsedYaml, parse

NOWHERE = Path("/nonexistent")


def put_in(
    text: str, environ: dict[str, str] | None = None, folder: Path = NOWHERE
) -> tuple[Interpolated, ParsedYaml]:
    parsed = parse(text, file="f.yaml")
    return interpolate(parsed, environ or {}, folder=folder), parsed


@pytest.mark.parametrize(
    ("value", "environ", "result"),
    [
        pytest.param("${A}", {"A": "x"}, "x", id="a variable"),
        pytest.param("${A:y}", {}, "y", id="a default"),
        pytest.param("${A:y}", {"A": "x"}, "x", id="the variable before the default"),
        pytest.param("${A:}", {}, "", id="an empty default"),
        pytest.param("${A:y}", {"A": ""}, "", id="set but empty counts as set"),
        pytest.param("${A:b:c}", {}, "b:c", id="a default with a colon"),
        pytest.param("h${A}:${B:9}", {"A": "x"}, "hx:9", id="several in one value"),
        pytest.param("${a.b_C.0}", {"a.b_C.0": "x"}, "x", id="a name with dots"),
        pytest.param("${A}", {"A": "${B}", "B": "x"}, "${B}", id="what was put in stays as it is"),
        pytest.param("$${A}", {"A": "x"}, "${A}", id="an escaped reference"),
        pytest.param("$A", {"A": "x"}, "$A", id="no braces, no variable"),
        pytest.param("${file}", {"file": "x"}, "x", id="a variable that is called file"),
        pytest.param(
            "${A}", {"A": "a: 1\nb: [2]"}, "a: 1\nb: [2]", id="YAML in a variable is text"
        ),
    ],
)
def test_references_are_replaced(value: str, environ: dict[str, str], result: str) -> None:
    values, parsed = put_in(f'k: ["{value}"]', environ)

    assert parsed.problems == []
    assert values.root == {"k": [result]}


def test_keys_are_never_interpolated() -> None:
    values, _ = put_in('"${A}": 1', {"A": "x"})

    assert values.root == {"${A}": 1}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(
            "${A}",
            "f.yaml:2: s.k needs the variable A, which is not set; "
            "set A in the environment, or write ${A:default}",
            id="a variable that is not set",
        ),
        pytest.param("${1A}", "has `${1A}`, which names no variable", id="a name with a digit"),
        pytest.param("${}", "has `${}`, which names no variable", id="no name"),
        pytest.param("${A", "has `${` without `}`", id="no end"),
        pytest.param("${file:no/such}", "needs the file /nonexistent/no/such", id="no such file"),
        pytest.param("${file:}", "cannot be read", id="a file without a name"),
    ],
)
def test_what_cannot_be_put_in_is_a_problem_with_place_and_cure(value: str, said: str) -> None:
    values, parsed = put_in(f's:\n  k: "{value}"\n')

    assert len(parsed.problems) == 1
    assert said in str(parsed.problems[0])
    assert values.failed == {("s", "k")}


def test_where_a_value_came_from_is_kept_for_messages() -> None:
    values, _ = put_in("k: ${A}", {"A": "x"})

    assert values.sources == {("k",): "${A}"}
    assert values.taken == {"x"}


class TestFiles:
    """``${file:...}``, against a real folder."""

    @pytest.mark.parametrize(
        ("content", "value"),
        [
            pytest.param(b"geheim", "geheim", id="no line break"),
            pytest.param(b"geheim\n", "geheim", id="one line break"),
            pytest.param(b"geheim\r\n", "geheim", id="a Windows line break"),
            pytest.param(b"geheim\n\n", "geheim\n", id="only one is taken off"),
            pytest.param(b" ge heim ", " ge heim ", id="spaces belong to it"),
            pytest.param(b"", "", id="empty"),
        ],
    )
    def test_the_last_line_break_is_no_part_of_a_secret(
        self, tmp_path: Path, content: bytes, value: str
    ) -> None:
        (tmp_path / "secret").write_bytes(content)

        values, parsed = put_in('k: "${file:secret}"', folder=tmp_path)

        assert parsed.problems == []
        assert values.root == {"k": value}

    def test_an_absolute_path_is_taken_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("x")

        values, _ = put_in(f'k: "${{file:{tmp_path}/secret}}"')

        assert values.root == {"k": "x"}

    def test_what_is_no_small_utf_8_file_is_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / "large").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
        (tmp_path / "binary").write_bytes(b"\xff")
        text = 'a: "${file:large}"\nb: "${file:binary}"\nc: "${file:.}"\nd: "${file:/dev/zero}"\n'

        _, parsed = put_in(text, folder=tmp_path)

        assert [problem.seen.rpartition("which is ")[2] for problem in parsed.problems] == [
            f"larger than {MAX_SECRET_BYTES} bytes",
            "not UTF-8",
            "not a regular file",
            "not a regular file",
        ]
