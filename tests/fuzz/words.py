"""What must hold of text that people write: config files, profiles, queries.

Each function takes any bytes and raises only where a promise is broken.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ptingest.errors import ConfigInvalid, QueryInvalid
from ptingest.pipeline.compile import compile_profile
from ptingest.settings.load import load_profile, load_server
from ptingest.settings.parse import parse
from ptingest.sinks.store.read.search import StoreReader
from ptingest.sinks.store.read.snapshot import StoreQuery
from ptingest.sinks.store.schema import open_writer, transaction
from tests.sinks.store.read.test_search import ALL
from tests.sinks.store.read.test_search import NOW as SEARCHED_AT
from tests.support import scratch
from tests.support.store_documents import document, insert

SECRET = "s3cr3t-of-the-environment"
ENVIRON = {"SECRET": SECRET, "PORT": "9200", "EMPTY": ""}


def server_config(data: bytes) -> None:
    """A config gives settings, or every problem with its place; never the password."""
    path = scratch.folder() / "ptingest.yaml"
    path.write_bytes(data)
    try:
        settings = load_server(path, ENVIRON)
    except ConfigInvalid as invalid:
        check_problems(invalid)
        assert SECRET not in str(invalid) or is_secret_elsewhere(data)
        return
    assert Path(settings.data_dir).is_absolute()
    elasticsearch = settings.sinks.elasticsearch
    if elasticsearch is not None and elasticsearch.password is not None:
        assert elasticsearch.password.get_secret_value()
    assert SECRET not in repr(settings) or is_secret_elsewhere(data)


def is_secret_elsewhere(data: bytes) -> bool:
    """Whether the variable is also used where no secret is expected, and so may be shown."""

    def is_elsewhere(value: Any, name: str | int) -> bool:
        if isinstance(value, dict):
            return any(is_elsewhere(inner, key) for key, inner in value.items())
        if isinstance(value, list):
            return any(is_elsewhere(inner, "") for inner in value)
        return "SECRET" in str(value) and name not in ("password", "api_key", "token")

    return is_elsewhere(parse(data.decode("utf-8-sig"), file="x").root, "")


def check_problems(invalid: ConfigInvalid) -> None:
    assert invalid.problems
    for problem in invalid.problems:
        assert problem.seen
        assert problem.cure
        assert problem.line is None or problem.line > 0
        # Printed to a terminal and a log, both UTF-8.
        str(problem).encode()


def profile(data: bytes) -> None:
    """A profile that is taken can be compiled and run; any other is refused with its place."""
    path = scratch.folder() / "profile.yaml"
    path.write_bytes(data)
    try:
        settings = load_profile(path, ENVIRON)
    except ConfigInvalid as invalid:
        check_problems(invalid)
        return
    pipeline = compile_profile(settings)
    groups = [group.group for group in settings.groups]
    for payload in (b'{"group":"pt","service":"django","message":"INFO|a|2025-01-02|x"}', b"{}"):
        explained = pipeline.explain(payload, now_ns=10**18)
        assert explained.outcome in ("indexed", "dropped", "dead_letter")
        assert "pt" in groups or explained.outcome == "dropped"


# --- queries ----------------------------------------------------------------------------


def query(data: bytes) -> None:
    """A query is refused with a column, or it parts the documents into hits and the rest."""
    text = data.decode("utf-8", "replace")
    with StoreReader(store(), now=SEARCHED_AT) as reader:
        try:
            found = reader.count(StoreQuery(text))
        except QueryInvalid as invalid:
            assert 1 <= invalid.column <= len(text) + 1
            assert invalid.seen
            assert invalid.expected
            assert str(invalid)
            return
        hits = list(reader.search(StoreQuery(text)))
        assert len(hits) == found
        if not text.strip():
            return
        try:
            rest = reader.count(StoreQuery(f"not ({text})"))
        except QueryInvalid as invalid:
            assert "deep" in invalid.seen or "characters" in invalid.seen
            return
        assert found + rest == len(ALL), "some document neither matches nor does not"


@cache
def store() -> Path:
    """A small store with documents of every shape."""
    path = scratch.folder() / "search.sqlite"
    connection = open_writer(path)
    with transaction(connection):
        insert(connection, [document(fields) for fields in ALL.values()])
    connection.close()
    return path
