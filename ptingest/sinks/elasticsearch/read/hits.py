"""What Elasticsearch answers to a search, and the documents in it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.kql.columns import canonical_time, time_text
from ptingest.kql.fields import value_of
from ptingest.model.explore import Hit
from ptingest.sinks.elasticsearch.answer import UNREADABLE
from ptingest.sinks.elasticsearch.answer import excerpt as beginning_of
from ptingest.sinks.read.excerpt import READ_BYTES, excerpt

SortValues = list[str | int | float | bool | None]
SORT_VALUES_MOST = 8
_BACKING = re.compile(r"\.ds-(.+?)-(?:\d{4}\.\d{2}\.\d{2}-)?\d{6,}")
"""OpenSearch leaves out the date."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FoundDocument(msgspec.Struct):
    """One hit as it came."""

    index: str = msgspec.field(name="_index")
    key: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))
    sort: SortValues = []


class Total(msgspec.Struct):
    """How many documents match."""

    value: int = 0


class Found(msgspec.Struct):
    """The hits of an answer."""

    hits: list[FoundDocument] = []
    total: Total = msgspec.field(default_factory=Total)


class ShardFailure(msgspec.Struct):
    """Why a shard did not answer."""

    index: str | None = None
    reason: dict[str, Any] = {}


class Shards(msgspec.Struct):
    """How many shards were asked and answered."""

    total: int = 0
    failed: int = 0
    failures: list[ShardFailure] = []


class SearchAnswer(msgspec.Struct):
    """The answer to one search."""

    hits: Found = msgspec.field(default_factory=Found)
    timed_out: bool = False
    shards: Shards = msgspec.field(name="_shards", default_factory=Shards)
    aggregations: dict[str, Any] = {}
    pit_id: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every shard answered, and in time."""
        return not self.timed_out and not self.shards.failed

    def notes(self) -> list[str]:
        """Say what is missing in it."""
        found = []
        if self.timed_out:
            found.append(
                "The time limit was reached: the cluster answered with what it had found, so "
                "documents are missing and counts are lower bounds."
            )
        if self.shards.failed:
            first = self.shards.failures[0] if self.shards.failures else ShardFailure()
            why = str(first.reason.get("reason", "")) or "no reason was given"
            found.append(
                f"{self.shards.failed} of {self.shards.total} shards did not answer, so documents "
                f"are missing: {first.index or 'an index'}: {why}"
            )
        return found


_read_search = msgspec.json.Decoder(SearchAnswer).decode


def read_search(body: bytes, *, sink: str = "elasticsearch") -> SearchAnswer:
    """Return the answer to a search.

    Raises:
        SinkUnavailable: it is none.
    """
    try:
        return _read_search(body)
    except UNREADABLE as error:
        cause = f"an answer to a search cannot be read: {error}: {beginning_of(body)}"
        raise SinkUnavailable(sink=sink, cause=cause) from None


def hit_of(
    found: FoundDocument, *, whole_bytes: int | None = None, value_bytes: int = READ_BYTES
) -> Hit:
    """Return a document as readers give it: whole, or from ``whole_bytes`` on with
    ``value_bytes`` of each value."""
    raw = bytes(found.source)
    body, is_cut = raw, False
    if whole_bytes is not None and len(raw) > whole_bytes:
        chunks = (raw[begin : begin + READ_BYTES] for begin in range(0, len(raw), READ_BYTES))
        cut = excerpt(chunks, value_bytes=value_bytes, total_bytes=whole_bytes)
        body, is_cut = cut.encode(), True
    return Hit(
        f"{found.index}/{found.key}",
        _timestamp(body),
        None,
        data_stream_of(found.index),
        found.key,
        body.decode("utf-8", "replace"),
        len(raw),
        is_cut,
    )


class _Time(msgspec.Struct):
    timestamp: str | None = msgspec.field(name="@timestamp", default=None)


_read_time = msgspec.json.Decoder(_Time).decode


def _timestamp(body: bytes) -> str | None:
    try:
        timestamp = _read_time(body).timestamp
    except UNREADABLE:
        return None
    return None if timestamp is None else canonical_time(timestamp)


def data_stream_of(index: str) -> str:
    """Return the data stream of a backing index; another index is its own."""
    found = _BACKING.fullmatch(index)
    return found[1] if found else index


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """Which document: its index and its key."""

    index: str
    key: str

    @classmethod
    def read(cls, text: str) -> DocumentPlace | None:
        """Return the place in a hit's id, None where it is none."""
        index, slash, key = text.partition("/")
        return cls(index, key) if slash and index and 0 < len(key) <= 512 else None


def read_place(text: str) -> SortValues:
    """Return where a page begins, as it was written by ``write_place``.

    Raises:
        QueryInvalid: it is not a place.
    """
    try:
        values = msgspec.json.decode(text, type=SortValues)
    except (msgspec.DecodeError, RecursionError):
        values = []
    if not 0 < len(values) <= SORT_VALUES_MOST:
        raise QueryInvalid(
            query=text, column=1, seen=repr(text), expected="a place, as a page's link has it"
        )
    return values


def write_place(values: Sequence[Any]) -> str:
    """Return sort values as text for an address."""
    return json.dumps(list(values), separators=(",", ":"))


def time_of(milliseconds: object) -> str | None:
    """Return a time that Elasticsearch has as milliseconds since the epoch."""
    if not isinstance(milliseconds, int | float):
        return None
    try:
        return time_text(_EPOCH + timedelta(milliseconds=milliseconds))
    except OverflowError:
        return None


class FilePlace(NamedTuple):
    """Where a line is in its file: what names the file, and the line's offset in it."""

    names: dict[str, str]
    offset: int


_FILE_NAMES = ("log.file.path", "log.file.device_id", "log.file.inode", "log.file.fingerprint")


def file_place_of(body: str) -> FilePlace | None:
    """Return the place of a document's line, None where it does not say."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    values = {name: value_of(document, name) for name in (*_FILE_NAMES, "agent.id")}
    known = {name: value for name, value in values.items() if isinstance(value, str)}
    offset = value_of(document, "log.offset")
    if not known.keys() - {"agent.id"} or isinstance(offset, bool) or not isinstance(offset, int):
        return None
    if "log.file.inode" in known:
        # A file that was rotated keeps its inode under another path.
        known.pop("log.file.path", None)
    return FilePlace(known, offset)
