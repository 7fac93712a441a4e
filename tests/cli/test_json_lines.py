"""JSON for other programs."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.cli.json_lines import one_line

TEXTS = st.text() | st.text(alphabet='a\u0085\u2028\u2029\r\n\x0b\x1c"\\', max_size=8)


@settings(deadline=None)
@given(st.dictionaries(TEXTS, TEXTS | st.integers()))
def test_a_value_is_one_line_to_every_reader_and_still_the_same(value: dict[str, object]) -> None:
    encoded = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")

    line = one_line(encoded)

    assert len(line.decode().splitlines()) == 1
    assert json.loads(line) == json.loads(encoded)


def test_a_carriage_return_between_tokens_ends_no_line() -> None:
    assert one_line(b'{"a":\r1}') == b'{"a": 1}\n'
