"""Members of a payload, decoded one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec import Raw

from ptingest.pipeline.logstash.members import value_of


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('{"b":[1,2.5,null],"é":"ż"}', {"b": [1, 2.5, None], "é": "ż"}),
        ('{"a":1,"a":2}', {"a": 2}),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("1.50", 1.5),
        ('[1e400,{"n":-1E400}]', [Decimal("1e400"), {"n": Decimal("-1e400")}]),
    ],
)
def test_a_member_is_its_value_and_numbers_keep_their_digits(raw: str, value: object) -> None:
    assert value_of(Raw(raw.encode())) == value


def test_each_reading_has_objects_of_its_own() -> None:
    raw = Raw(b'{"a":[]}')

    value_of(raw)["a"].append(1)

    assert value_of(raw) == {"a": []}
