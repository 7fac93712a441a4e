"""Events as Logstash's output stdout prints them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ptingest.model.document import Document, Index
from ptingest.sinks.stdout import printed, ruby_debug
from tests.support.store_documents import raw_document


def for_codec(codec: str, body: bytes = b'{"a":1}') -> Document:
    return replace(raw_document(body), target=Index(codec, output="stdout"))


@pytest.mark.parametrize(
    ("codec", "text"),
    [("json", b'{"a":1}'), ("json_lines", b'{"a":1}\n'), ("rubydebug", b'{\n    "a" => 1\n}\n')],
)
def test_a_target_names_the_codec(codec: str, text: bytes) -> None:
    assert printed([for_codec(codec)]) == text


def test_names_end_in_one_column_and_lists_have_an_element_a_line() -> None:
    event = {
        "@timestamp": "2025-01-02T03:04:05.678Z", "message": 'a "b"', "tags": ["x", "y"],
        "n": {"deep": None, "on": True, "none": {}, "empty": []},
    }  # fmt: skip

    assert ruby_debug(event) == "\n".join(
        [
            "{",
            '    "@timestamp" => 2025-01-02T03:04:05.678Z,',
            '       "message" => "a \\"b\\"",',
            '          "tags" => [',
            '        [0] "x",',
            '        [1] "y"',
            "    ],",
            '             "n" => {',
            '         "deep" => nil,',
            '           "on" => true,',
            '         "none" => {},',
            '        "empty" => []',
            "    }",
            "}",
        ]
    )
