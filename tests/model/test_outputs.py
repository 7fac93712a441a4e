"""Which sinks a document is for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ptingest.model.document import Document, Index
from ptingest.model.outputs import Outputs
from tests.support.documents import document


def for_output(output: str) -> Document:
    return replace(document(), target=Index("orders", output=output))


@pytest.mark.parametrize(
    ("sinks", "output", "expected"),
    [
        (["store", "ndjson"], "", {"store", "ndjson"}),
        (["elasticsearch", "archive"], "archive", {"archive"}),
        (["store", "ndjson"], "elasticsearch", {"store", "ndjson"}),
        (["store", "file", "stdout"], "elasticsearch", {"store"}),
        (["store", "file"], "file", {"file"}),
        (["store"], "stdout", set()),
    ],
)
def test_an_output_means_the_sink_of_its_name_else_those_that_take_any_document(
    sinks: list[str], output: str, expected: set[str]
) -> None:
    assert Outputs(sinks).sinks_of(output) == expected


def test_each_sink_gets_its_documents_in_order() -> None:
    first, second, third = for_output("a"), for_output("b"), for_output("a")

    outputs = Outputs(["a", "b"])

    assert outputs.documents_for("a", [first, second, third]) == [first, third]
    assert outputs.documents_for("b", [first, second, third]) == [second]
