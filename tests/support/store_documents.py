"""Documents for the store's tests."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from ptingest.kql.columns import lift
from ptingest.model.document import DataStream, Document
from ptingest.model.receipt import Receipt
from ptingest.sinks.store.schema import COLUMNS

DJANGO = DataStream("logs", "django", "pt")


class SetClock:
    """Stands where it is put."""

    def __init__(self, now_ns: int = 1_750_000_000 * 10**9) -> None:
        self.now_ns = now_ns

    def monotonic(self) -> float:
        return self.now_ns / 1e9

    def time_ns(self) -> int:
        return self.now_ns


def document(
    fields: dict[str, Any], *, key: str | None = None, data_stream: DataStream = DJANGO
) -> Document:
    return raw_document(
        json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(),
        key=key,
        data_stream=data_stream,
    )


def raw_document(
    body: bytes, *, key: str | None = None, data_stream: DataStream = DJANGO
) -> Document:
    return Document(
        target=data_stream,
        body=body,
        key=key,
        receipt=Receipt(lambda _: None),
        payload=b"",
        service="django",
        peer="192.0.2.7:51234",
    )


def messages(*texts: str) -> list[Document]:
    return [document({"message": text}) for text in texts]


def insert(
    connection: sqlite3.Connection,
    documents: Sequence[Document],
    *,
    stored_at: str = "2025-01-01T00:00:00.000Z",
) -> None:
    """Put documents into an open store, in the caller's transaction."""
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    connection.executemany(
        f"INSERT INTO documents ({names}) VALUES ({', '.join('?' * len(COLUMNS))})",
        [
            (stored_at, one.target.name, one.key, *lift(one.body), one.body.decode())
            for one in documents
        ],
    )
