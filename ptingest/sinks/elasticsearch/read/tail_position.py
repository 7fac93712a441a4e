"""Where a live tail is: the last sequence number of each index that it has seen. Pure.

Elasticsearch numbers the documents of a shard in the order of storing (``_seq_no``), whatever
their times are. Numbers of different indices cannot be compared, so a position has one of each;
an index that is not in it is new, with all its documents. Of an index with several shards the
highest number counts, so documents in its other shards may be passed over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import orjson

from ptingest.errors import QueryInvalid
from ptingest.sinks.elasticsearch.read.hits import SearchAnswer
from ptingest.sinks.elasticsearch.read.query import Clause, any_of

INDICES_MOST = 100
"""Backing indices that a tail follows; a position is part of an address."""
AGGREGATION: dict[str, Any] = {
    "indices": {
        "terms": {"field": "_index", "size": INDICES_MOST + 1},
        "aggs": {"last": {"max": {"field": "_seq_no"}}},
    }
}
_PREFIX, _SHORT = ".ds-", "+"
"""What names of backing indices begin with, and what no name may begin with."""

Position = dict[str, int]


def write_position(position: Mapping[str, int]) -> str:
    """Return a position as text for an address."""
    short = {_exchanged(index, _PREFIX, _SHORT): last for index, last in position.items()}
    return base64.urlsafe_b64encode(orjson.dumps(short)).decode()


def read_position(text: str) -> Position:
    """Return the position in a text.

    Raises:
        QueryInvalid: it is none.
    """
    try:
        decoded = base64.urlsafe_b64decode(text.encode())
        short = msgspec.json.decode(decoded, type=dict[str, int])
    except (msgspec.DecodeError, binascii.Error, UnicodeError, ValueError):
        raise QueryInvalid(
            query=text, column=1, seen=repr(text), expected="a position, as a live tail has it"
        ) from None
    return {_exchanged(index, _SHORT, _PREFIX): last for index, last in short.items()}


def _exchanged(name: str, before: str, after: str) -> str:
    return f"{after}{name.removeprefix(before)}" if name.startswith(before) else name


def lasts_body(indices: Iterable[str]) -> bytes:
    """Return a ``_msearch`` for the document stored last in each index."""
    last = {"size": 1, "sort": [{"_seq_no": "desc"}], "_source": False, "track_total_hits": False}
    lines = [part for index in indices for part in ({"index": index}, last)]
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def stored_after(position: Mapping[str, int]) -> Clause:
    """Return the clause for documents stored after a position."""
    later: list[Clause] = [
        {"bool": {"filter": [{"term": {"_index": index}}, {"range": {"_seq_no": {"gt": last}}}]}}
        for index, last in position.items()
    ]
    return any_of([*later, {"bool": {"must_not": [{"terms": {"_index": list(position)}}]}}])


def moved_on(position: Mapping[str, int], answer: SearchAnswer) -> Position:
    """Return the position after the documents in an answer with ``AGGREGATION``."""
    buckets = answer.aggregations.get("indices", {}).get("buckets", [])
    lasts = {str(one["key"]): one["last"]["value"] for one in buckets}
    return {**position, **{index: int(last) for index, last in lasts.items() if last is not None}}
