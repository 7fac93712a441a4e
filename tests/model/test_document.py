"""An event encoded for its data stream."""

from __future__ import annotations

import pytest

from ptingest.model.document import DOCUMENT_OVERHEAD_BYTES, DataStream, Document, Index
from ptingest.model.receipt import Receipt


def document(body: bytes = b"{}", payload: bytes = b'{"a":1}') -> Document:
    stream = DataStream("logs", "django", "pt")
    return Document(stream, body, None, Receipt(lambda _: None), payload, "django", "192.0.2.7:1")


def test_a_data_stream_is_named_by_its_three_parts() -> None:
    assert DataStream("logs", "django", "pt").name == "logs-django-pt"


def test_both_kinds_of_target_name_themselves_for_people() -> None:
    stream, index = DataStream("logs", "django", "pt"), Index("orders")

    assert [f"{one.kind} {one.name}" for one in (stream, index)] == [
        "data stream logs-django-pt",
        "index orders",
    ]


def test_a_document_costs_both_texts_and_what_python_adds() -> None:
    one = document(body=b"x" * 10, payload=b"y" * 20)

    assert one.cost == 30 + DOCUMENT_OVERHEAD_BYTES


def test_equal_documents_are_still_two() -> None:
    one, other = document(), document()

    assert one != other
    assert len({one, other}) == 2


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        document().body = b"{}"  # type: ignore[misc]
