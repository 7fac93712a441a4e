from __future__ import annotations

import json

import pytest

from ptingest.model.explore import Hit
from ptingest.sinks.read.lines import json_line


def hit(body: str, key: str | None = 'k"1') -> Hit:
    return Hit("1", None, None, "logs-a-pt", key, body)


@pytest.mark.parametrize("body", ["{}", "{ }", '{"a":1}', '{"a":"{}"}', '{"é":{"b":null}}'])
def test_a_document_has_its_key_in_front(body: str) -> None:
    found = json.loads(json_line(hit(body)))

    assert found == {"_id": 'k"1', **json.loads(body)}
    assert next(iter(found)) == "_id"


@pytest.mark.parametrize(
    ("body", "key"),
    [('{"a":1}', None), ("[1]", "k"), ("no JSON", "k"), ("", "k"), ('{"_id":"own"}', "k")],
)
def test_what_has_no_key_or_an_id_of_its_own_stays_as_it_is(body: str, key: str | None) -> None:
    assert json_line(hit(body, key)) == body.encode()
