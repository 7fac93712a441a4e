"""Field references."""

import pytest

from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.values import FieldError


@pytest.mark.parametrize(
    ("text", "path", "is_metadata"),
    [
        ("a", ("a",), False),
        ("", ("",), False),
        ("a.b", ("a.b",), False),
        ("[a]", ("a",), False),
        ("[a.b]", ("a.b",), False),
        ("[a][b]", ("a", "b"), False),
        ("[[a]]", ("a",), False),
        ("[[a][b]][c]", ("a", "b", "c"), False),
        ("[@metadata]", (), True),
        ("[@metadata][x]", ("x",), True),
    ],
)
def test_a_reference_is_a_path(text: str, path: tuple[str, ...], is_metadata: bool) -> None:
    found = parse_reference(text)
    assert (found.path, found.is_metadata) == (path, is_metadata)


@pytest.mark.parametrize(
    "text", ["[]", "[a", "a]", "[a]b", "[a][b", "a[b]", "[a]][b]", "[[a]", "[[]]"]
)
def test_a_malformed_reference_is_an_error(text: str) -> None:
    with pytest.raises(FieldError, match="invalid field reference"):
        parse_reference(text)
