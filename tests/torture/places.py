"""Where events may have ended, read for the oracle."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from ptingest.dead_letters.queue import read_letters
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.torture.oracle import Oracle

PAGE = 5000
SETTLE_SECONDS = 2.0
"""An Elasticsearch whose count stood still for so long has taken what it was sent."""


def judge_fake(fake: FakeElasticsearch, oracle: Oracle) -> None:
    """All backing indices, and what was redirected to the failure store."""
    for name in fake.data_streams:
        for _, examined in fake.stored(name):
            oracle.found_stored(examined)
    for examined in fake.failure_stored:
        oracle.found_failure_stored(examined)


def judge_letters(data_dir: Path, oracle: Oracle) -> None:
    """The dead letters of a data folder."""
    for stored in read_letters(data_dir / "dead_letters"):
        oracle.found_dead_lettered(stored.letter.payload)


def judge_store(path: Path, oracle: Oracle) -> None:
    """Every row of the embedded store, and SQLite's own opinion of the file."""
    if not path.exists():
        return
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        (opinion,) = connection.execute("PRAGMA quick_check").fetchone()
        assert opinion == "ok", opinion
        for (body,) in connection.execute("SELECT body FROM documents"):
            oracle.found_stored(oracle.examine(body.encode()))
    finally:
        connection.close()


async def judge_elasticsearch(url: str, indices: str, oracle: Oracle) -> None:
    """Everything in a real Elasticsearch, once its count stands still."""
    before = -1
    while (count := await asyncio.to_thread(_count, url, indices)) != before:
        before = count
        await asyncio.sleep(SETTLE_SECONDS)  # no race: all was acked, and it is looked again
    for source in await asyncio.to_thread(lambda: list(_sources(url, indices))):
        oracle.found_stored(oracle.examine(source))


def _count(url: str, indices: str) -> int:
    ask(url, "POST", f"/{indices}/_refresh")
    return int(ask(url, "GET", f"/{indices}/_count?allow_no_indices=true")["count"])


def _sources(url: str, indices: str) -> Iterator[bytes]:
    page = ask(url, "POST", f"/{indices}/_search?scroll=1m", {"size": PAGE, "sort": ["_doc"]})
    while hits := page["hits"]["hits"]:
        for hit in hits:
            yield orjson.dumps(hit["_source"])
        more = {"scroll": "1m", "scroll_id": page["_scroll_id"]}
        page = ask(url, "POST", "/_search/scroll", more)


def ask(url: str, method: str, path: str, body: object = None) -> Any:
    """Ask an Elasticsearch; a login may stand in its URL, as user:password@ before the host."""
    scheme, _, place = url.rstrip("/").partition("://")
    login, _, host = place.rpartition("@")
    data = None if body is None else json.dumps(body).encode()
    headers = {} if data is None else {"content-type": "application/json"}
    if login:
        headers["authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    request = urllib.request.Request(f"{scheme}://{host}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
