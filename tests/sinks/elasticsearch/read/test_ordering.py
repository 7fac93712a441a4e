from __future__ import annotations

import pytest

from ptingest.errors import QueryInvalid
from ptingest.model.explore import NEWEST_FIRST, Sort
from ptingest.sinks.elasticsearch.read.mapping import FieldMapping
from ptingest.sinks.elasticsearch.read.ordering import sort_clauses

KEYWORD = FieldMapping(frozenset({"keyword"}))
TEXT = FieldMapping(frozenset({"text"}), is_aggregatable=False)
MAPPINGS = {"service": KEYWORD, "free": TEXT, "free.keyword": KEYWORD, "note": TEXT}


def test_documents_without_the_field_come_last_and_ties_are_decided() -> None:
    assert sort_clauses(NEWEST_FIRST, {}) == [
        {"@timestamp": {"order": "desc", "missing": "_last", "unmapped_type": "date"}},
        {"_index": "desc"},
        {"_seq_no": "desc"},
    ]
    assert sort_clauses(Sort("free", True), MAPPINGS, ("_shard_doc",)) == [
        {"free.keyword": {"order": "asc", "missing": "_last", "unmapped_type": "keyword"}},
        {"_shard_doc": "asc"},
    ]
    assert sort_clauses(Sort("_index", True), {}) == [
        {"_index": {"order": "asc"}},
        {"_seq_no": "asc"},
    ]


@pytest.mark.parametrize("field", ["message", "note", "_id"])
def test_what_has_no_order_is_refused(field: str) -> None:
    with pytest.raises(QueryInvalid, match="sort by"):
        sort_clauses(Sort(field), MAPPINGS)
