from __future__ import annotations

import json

from msgspec import Raw

from ptingest.pipeline.encode import encode_body


def test_raw_values_keep_their_number_texts() -> None:
    body = encode_body({"a": Raw(b"1.10"), "b": [Raw(b"1e400")], "c": "ż"})

    assert body == '{"a":1.10,"b":[1e400],"c":"ż"}'.encode()


def test_newlines_between_tokens_go_and_those_in_strings_stay() -> None:
    body = encode_body({"a": Raw(b'{"x": [1,\n 2],\n"y": "p\\nq  r"}')})

    assert b"\n" not in body
    assert json.loads(body) == {"a": {"x": [1, 2], "y": "p\nq  r"}}
