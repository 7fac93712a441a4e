"""SQL must find the documents that plain Python finds, for any query."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.errors import QueryInvalid
from ptingest.kql.parser import AllOf, AnyOf, Match, Negated, Query, QueryValue, Range, parse
from ptingest.sinks.store.maintenance import extend_index
from ptingest.sinks.store.read.search import StoreReader
from ptingest.sinks.store.read.snapshot import StoreQuery
from ptingest.sinks.store.read.sql import condition
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert
from tests.support.store_queries import KEYWORDS, WORDY, bodies, queries, written

NOW = datetime(2025, 3, 4, tzinfo=UTC)


# --- the meaning of a query, in plain Python --------------------------------------------


def holds(query: Query, fields: dict[str, Any]) -> bool:
    match query:
        case AllOf(parts):
            return all(holds(part, fields) for part in parts)
        case AnyOf(parts):
            return any(holds(part, fields) for part in parts)
        case Negated(part):
            return not holds(part, fields)
        case Range("@timestamp", operator, value):
            return holds_time(operator, value, fields.get("@timestamp"))
        case Range(field, operator, value):
            return any(holds_range(operator, value, x) for x in elements(fields, field))
        case Match(None, value):
            # A bare value of stars alone matches everything.
            return value.is_anything or holds_words(value, fields.get("message"))
        case Match(field, value) if value.is_anything:
            return any(x is not None for x in elements(fields, field, with_members=True))
        case Match(field, value) if field in WORDY:
            return any(holds_words(value, x) for x in elements(fields, field))
        case Match(field, value):
            return any(holds_value(value, x, field in KEYWORDS) for x in elements(fields, field))


def elements(fields: dict[str, Any], name: str, *, with_members: bool = False) -> Iterator[Any]:
    found = [fields[name]] if name in fields else []
    if "." in name:
        first, second = name.split(".")
        if isinstance(fields.get(first), dict) and second in fields[first]:
            found.append(fields[first][second])
    for value in found:
        if isinstance(value, dict):
            yield from value.values() if with_members else ()
        else:
            yield from value if isinstance(value, list) else (value,)


def holds_value(value: QueryValue, x: Any, is_keyword: bool) -> bool:
    if isinstance(x, str):
        if value.has_wildcard:
            escaped = "*".join(re.sub(r"([*?[])", r"[\1]", piece) for piece in value.pieces)
            return fnmatch.fnmatchcase(x, escaped)
        return x == value.text
    if value.has_wildcard or x is None:
        return False
    if isinstance(x, bool):
        return value.text == ("true" if x else "false")
    if is_keyword:
        return value.text == str(x)
    return number(value.text) == x


def holds_range(operator: str, end: str, x: Any) -> bool:
    if isinstance(x, str):
        return compare(operator, x, end)
    if x is None or isinstance(x, bool) or number(end) is None:
        return False
    return compare(operator, x, number(end))


def holds_time(operator: str, end: str, x: str | None) -> bool:
    first, last = {
        "2025": ("2025-01-01T00:00:00.000Z", "2025-12-31T23:59:59.999Z"),
        "2025-01-01": ("2025-01-01T00:00:00.000Z", "2025-01-01T23:59:59.999Z"),
        "2025-01-02T03:04": ("2025-01-02T03:04:00.000Z", "2025-01-02T03:04:59.999Z"),
    }.get(end, (end, end))
    return x is not None and compare(operator, x, last if operator in (">", "<=") else first)


def compare(operator: str, left: Any, right: Any) -> bool:
    return bool(
        {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
    )


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def holds_words(value: QueryValue, text: Any) -> bool:
    if not isinstance(text, str):
        return False
    tokens = re.findall(r"[^\W_]+", text.lower())
    groups = [value.text] if value.is_quoted else "\x01".join(value.pieces).split()
    return any(stands_in(tokens, group) for group in groups)


def stands_in(tokens: list[str], group: str) -> bool:
    wanted = [
        re.compile(part.replace("\x01", ".*"))
        for part in re.findall(r"(?:\x01|[^\W_])+", group.lower())
    ]
    if not wanted:
        return False
    return any(
        all(
            pattern.fullmatch(token) for pattern, token in zip(wanted, tokens[start:], strict=False)
        )
        for start in range(len(tokens) - len(wanted) + 1)
    )


# --- the tests --------------------------------------------------------------------------


@given(
    st.lists(bodies, min_size=1, max_size=12), st.lists(queries, min_size=1, max_size=6), st.data()
)
@settings(deadline=None, max_examples=80)
@pytest.mark.timeout(60)
def test_sql_and_plain_python_name_the_same_documents(
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[dict[str, Any]],
    asked: list[Query],
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("store") / "s.sqlite"
    indexed = data.draw(st.integers(0, len(documents)), "documents in the text index")
    for number, fields in enumerate(documents):
        fields["n"] = number
    fill(path, documents, indexed)

    with StoreReader(path, now=NOW) as reader:
        for query in asked:
            text = written(query)
            hits = {json.loads(hit.body)["n"] for hit in reader.search(StoreQuery(text))}

            assert hits == {fields["n"] for fields in documents if holds(query, fields)}, text


def fill(path: Path, documents: list[dict[str, Any]], indexed: int) -> None:
    connection = open_writer(path)
    connection.execute("PRAGMA synchronous = OFF")
    with transaction(connection):
        insert(connection, [document(fields) for fields in documents[:indexed]])
    extend_index(connection, 1)
    with transaction(connection):
        insert(connection, [document(fields) for fields in documents[indexed:]])
    connection.close()


def test_written_queries_are_read_back_as_meant() -> None:
    query = AnyOf(
        (
            Negated(Match("tags", QueryValue(("a", "")))),
            Match("service", QueryValue(('b "*\\',), True)),
        )
    )

    assert parse(written(query)) == query


def test_nothing_from_a_query_becomes_sql() -> None:
    text = r"""x\"\)\;--'.y: "'); DROP TABLE documents; --" and z >= "'" and service: a'*"""
    query = parse(text.replace(r"\"", "").replace(r"\;", ";"))

    where = condition(query, text=text, now=NOW)

    assert "'" not in where.sql.replace("'text'", "").replace("'integer'", "").replace(
        "'real'", ""
    ).replace("'['", "").replace("'{'", "")
    assert "DROP" not in where.sql


def test_a_time_that_is_none_is_pointed_at() -> None:
    text = "service:a and @timestamp > soon"

    with pytest.raises(QueryInvalid) as caught:
        condition(parse(text), text=text, now=NOW)

    assert (caught.value.column, caught.value.seen) == (28, "'soon' after @timestamp")
