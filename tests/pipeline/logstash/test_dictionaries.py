"""Dictionary files."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ptingest.pipeline.logstash.dictionaries import read_dictionary


@pytest.mark.parametrize(
    ("name", "text", "dictionary"),
    [
        ("d.yml", '"200": OK\n404: lost\nfoo: {a: 1}\n', {"200": "OK", "foo": {"a": 1}}),
        ("d.yaml", "a: b", {"a": "b"}),
        ("d.json", '\ufeff{"a": 1.5, "b": [1]}', {"a": Decimal("1.5"), "b": [1]}),
        ("d.csv", 'a,b\n"c,d","e\nf"\n\ng\n', {"a": "b", "c,d": "e\nf", "g": None}),
    ],
)
def test_the_ending_of_the_name_decides(
    tmp_path: Path, name: str, text: str, dictionary: dict[str, Any]
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")

    assert read_dictionary(path) == dictionary


@pytest.mark.parametrize(
    ("name", "text"),
    [("d.txt", "a"), ("d.yml", "- a"), ("d.yml", "a: ["), ("d.json", "{"), ("d.csv", 'a,"b')],
)
def test_what_is_no_dictionary_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(ValueError):
        read_dictionary(path)
