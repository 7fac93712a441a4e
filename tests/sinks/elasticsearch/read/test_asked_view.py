from __future__ import annotations

import pytest

from ptingest.errors import SinkUnavailable
from ptingest.model.explore import Sort, View
from ptingest.sinks.elasticsearch.read.asked_view import AskedView, page_body, refuse_part, rows_of
from ptingest.sinks.elasticsearch.read.hits import SearchAnswer, read_search
from ptingest.sinks.elasticsearch.read.query import EVERYTHING
from ptingest.sinks.elasticsearch.read.questions import Snapshot

ASKED = AskedView(View(sort=Sort("n", True)), EVERYTHING, None, None, "", {})


def test_a_page_is_asked_for_after_a_place() -> None:
    body = page_body(ASKED, [1, "a", 2], None, 50)

    assert (body["size"], body["search_after"], "pit" in body) == (50, [1, "a", 2], False)
    assert [list(one) for one in body["sort"]] == [["n"], ["_index"], ["_seq_no"]]


def test_a_page_of_a_snapshot_names_it() -> None:
    body = page_body(ASKED, None, Snapshot("id", "2m"), 50)

    assert body["pit"] == {"id": "id", "keep_alive": "2m"}
    assert "search_after" not in body
    assert [list(one) for one in body["sort"]] == [["n"], ["_shard_doc"]]


def test_where_nothing_may_be_missing_a_part_is_refused() -> None:
    refuse_part(SearchAnswer())
    with pytest.raises(SinkUnavailable, match="documents are missing"):
        refuse_part(SearchAnswer(timed_out=True))


async def test_rows_are_cut_where_they_are_large() -> None:
    body = b'{"hits":{"hits":[{"_index":"i","_id":"a","_source":{"a":"%b"}}]}}' % (b"x" * 50_000)
    found = read_search(body).hits.hits

    (cut,) = await rows_of(found)
    (whole,) = await rows_of(found, whole_bytes=100_000)

    assert (cut.is_cut, whole.is_cut) == (True, False)
