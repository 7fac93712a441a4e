"""A failure document as Elasticsearch gives it, and answers with such."""

from __future__ import annotations

import json
from typing import Any

from ptingest.model.failures import FailureDocument
from ptingest.sinks.elasticsearch.failure_documents import read_failures

RECORDED: dict[str, Any] = {
    "_index": ".fs-logs-nginx-pt-2026.11.29-000002",
    "_id": "PMAOKaIBhPAaI2wn0jZX",
    "_source": {
        "@timestamp": "2026-11-29T20:46:06.786Z",
        "document": {
            "id": "O8AOKaIBhPAaI2wn0jY2",
            "index": "logs-nginx-pt",
            "source": {"@timestamp": "2026-11-29T04:00:00Z", "n": "bad"},
        },
        "error": {
            "type": "document_parsing_exception",
            "message": "[1:42] failed to parse field [n] of type [long] in document with id "
            "'O8AOKaIBhPAaI2wn0jY2'. Preview of field's value: 'bad'",
            "stack_trace": "o.e.i.m.DocumentParsingException: [1:42] ...",
        },
    },
    "sort": ["O8AOKaIBhPAaI2wn0jY2"],
}
"""As 8.19.0 gave it."""


def answer(*hits: dict[str, Any], total: int | None = None) -> bytes:
    found: dict[str, Any] = {"hits": list(hits)}
    if total is not None:
        found["total"] = {"value": total, "relation": "eq"}
    return json.dumps({"hits": found}).encode()


def failure(hit: dict[str, Any] = RECORDED) -> FailureDocument:
    found = read_failures(answer(hit), size=10)
    assert found is not None
    return found.failures[0]
