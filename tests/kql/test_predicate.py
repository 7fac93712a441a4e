"""The matcher accepts exactly the documents that the store's SQL finds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ptingest.errors import QueryInvalid
from ptingest.kql.parser import Match, Query, QueryValue, Range, parse
from ptingest.kql.predicate import Candidate, matcher, number_text
from ptingest.model.document import DataStream
from ptingest.sinks.store.maintenance import extend_index
from ptingest.sinks.store.read.search import StoreReader
from ptingest.sinks.store.read.snapshot import StoreQuery
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import insert, raw_document
from tests.support.store_queries import bodies, queries, written

NOW = datetime(2025, 3, 4, tzinfo=UTC)
STREAMS = [DataStream("logs", "django", "pt"), DataStream("logs", "nginx", "pt")]

# --- cases beyond test_sql: raw JSON as Beats may send it, and unusual queries --------------

LONG = "a" * 5000
"""SQLite's GLOB is not used for texts of this length."""
ODD_BODIES = [
    json.dumps({"n": 0, "tags": ["x", f"{LONG}b"], "service": f"{LONG}\0b", "a": LONG}).encode(),
    json.dumps({"n": 0, "service": f"{LONG}*b{LONG}", "group": f"b{LONG}"}).encode(),
    b'{"n":0,"tags":["a",1,1.0,true,null,{"a":"b"}],"log":{"offset":1e400,"offset":2}}',
    b'{"n":0,"tags":"a","tags":"b","service":["x",15000000000000000.0,1.50,-0.0,7]}',
    b'{"n":0,"service":{"name":"x"},"log_level":7,"group":1.50,"message":["parcel created"]}',
    b'{"n":0,"service":"[not json","message":{"a":"parcel"},"log_message":["x",["parcel"]]}',
    b'{"n":0,"tags":"a\\u001bb","service":"a\\u001bb","message":"a\\u001bparcel"}',
    b'{"n":0,"caf\\u00e9":"x","t\\u0061gs":"a","log":{"offset":9223372036854775808}}',
    b'{"n":0,"a":{"b":"1"},"a.b":"2","a.b.c":[],"log":{"offset":12345678901234567890123}}',
    b'{"n":0,"@timestamp":"2025-01-02T04:04:05.6789+01:00","tags":{"a":null,"b":1}}',
    b'{"n":0,"@timestamp":17,"tags":[[1],[]],"service":null,"message":null,"log_level":true}',
    b'{"n":0,"event":{"original":"Parcel 42 created"},"tags":"\\ud83d\\ude00?*[x"}',
]
QUERIES = [
    *("tags:a*a*b", "tags:*ab", "service:a*b*a", "service:*\\**", "service:a*a", "group:b*ab*"),
    *("a:a*a*a*", "service:*a*a*a*a*b", "service:(*b or a*)", "tags:(x or y or *b) or tags:z"),
    *("message:(parc* or *el or x)", "tags:(1 or true or a)", "log_level:(7 or true) or n:0"),
    *("tags:*", "tags:a", "tags:1", "tags:1.0", "tags:true", "tags:b", "not tags:a", "tags:15*"),
    *("log.offset:2", "log.offset > 1", "log.offset >= 9223372036854775808", "log.offset:*"),
    *(
        "service:7",
        "service:1.5",
        'service:"1.5e+16"',
        'service:"1.5E16"',
        "service:*",
        "service:x",
    ),
    *("service:-0.0", 'service:"0.0"', "service:\\[*", "service:a*", "service:*b", "log_level:7"),
    *(
        "group:1.50",
        "group:1.5",
        "log_level:true",
        "message:parcel",
        "message:*",
        "parc*",
        "*arcel",
    ),
    *("log_message:parcel", 'event.original:"parcel 42"', "café:x", "tags > a", "tags <= 1"),
    *("a.b:1", "a.b:2", "a.b.c:*", "a.b.c:x", "a:*", "a..b:*", "tags.a:*", "tags.b:1", "data:*"),
    *('@timestamp:"2025-01-02T03:04:05.678"', "@timestamp < now", "@timestamp:*", "_id:*", "_id:k"),
    *("_index:logs-django-pt", "_index:*nginx*", "_index > logs-e", "_id < z", "message > a"),
    *("tags:\\u0061*", "tags:*😀*", "tags:a\\u001bb", "tags:a\\u001b*", "service >= 7"),
]
number_texts = st.one_of(
    st.integers(-(1 << 70), 1 << 70).map(str),
    st.sampled_from(["0.1", "1.5", "-2.25", "1e3", "1E+20", "1e15", "1e16", "123456.75", "-0.0"]),
)


@st.composite
def raw_bodies(draw: st.DrawFn) -> bytes:
    """A body of test_sql's, or unusual JSON with equal names and any number texts."""
    if draw(st.booleans()):
        fields = {"n": 0, **draw(bodies)}
        return json.dumps(fields, ensure_ascii=draw(st.booleans())).encode()
    if draw(st.booleans()):
        return draw(st.sampled_from(ODD_BODIES))
    values = st.lists(
        number_texts | st.sampled_from(['"a"', '"1"', "null", "{}", "[]"]), max_size=3
    )
    members = [
        f'"{draw(st.sampled_from(["tags", "service", "log_level", "a.b"]))}":'
        f"[{','.join(draw(values))}]"
        for _ in range(draw(st.integers(0, 3)))
    ]
    return ('{"n":0' + "".join(f",{member}" for member in members) + "}").encode()


number_queries = st.builds(
    lambda field, operator, number: f"{field}{operator}{number}",
    st.sampled_from(["tags", "service", "a.b"]),
    st.sampled_from([":", " > ", " <= "]),
    number_texts.map(lambda text: f'"{text}"'),
)
texts = queries.map(written) | st.sampled_from(QUERIES) | number_queries


def numbered(body: bytes, number: int) -> bytes:
    return body.replace(b'"n":0', b'"n":%d' % number, 1).replace(b'"n": 0', b'"n":%d' % number, 1)


@given(st.lists(raw_bodies(), min_size=1, max_size=8), st.lists(texts, min_size=1, max_size=6))
@example(ODD_BODIES, QUERIES)
@settings(deadline=None, max_examples=150)
@pytest.mark.timeout(120)
@pytest.mark.slow
def test_the_matcher_and_the_sql_name_the_same_documents(
    tmp_path_factory: pytest.TempPathFactory, found_bodies: list[bytes], asked: list[str]
) -> None:
    documents = [
        raw_document(
            numbered(body, at), key=["k", None][at % 2] and f"k{at}", data_stream=STREAMS[at % 2]
        )
        for at, body in enumerate(found_bodies)
    ]
    path = tmp_path_factory.mktemp("store") / "s.sqlite"
    connection = open_writer(path)
    connection.execute("PRAGMA synchronous = OFF")
    with transaction(connection):
        insert(connection, documents)
    extend_index(connection, 1)
    connection.close()

    with StoreReader(path, now=NOW) as reader:
        for text in asked:
            by_sql = {json.loads(hit.body)["n"] for hit in reader.search(StoreQuery(text))}
            test = matcher(parse(text), text=text, now=NOW)
            by_matcher = {
                at
                for at, one in enumerate(documents)
                if test(Candidate(one.body, one.target.name, one.key))
            }

            assert by_matcher == by_sql, (text, [one.body for one in documents])


def matches(text: str, fields: dict[str, Any]) -> bool:
    body = json.dumps(fields).encode()
    return matcher(parse(text), text=text, now=NOW)(Candidate(body, "logs-django-pt", "k1"))


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("service:django and not log_level:DEBUG", True),
        ("service:Django", False),
        ("log_message:timeout* or service:nginx", True),
        ("log.offset >= 10", True),
        ("_index:logs-django-*", True),
        ("*", True),
        ("", True),
    ],
)
def test_a_query_is_answered_as_a_person_reads_it(text: str, *, is_found: bool) -> None:
    fields = {"service": "django", "log_message": "Timeouts: 3", "log": {"offset": 10}}

    assert matches(text, fields) is is_found


def test_a_body_that_is_no_json_matches_only_what_asks_nothing_of_it() -> None:
    broken = Candidate(b"\xff{", "logs-django-pt", None)

    found = [
        matcher(parse(text), text=text, now=NOW)(broken)
        for text in ("*", "_index:logs-*", "service:*", "tags:*", "not a:b", "@timestamp > 2020")
    ]

    assert found == [True, True, False, False, True, False]


def test_a_body_nested_without_end_is_not_decoded() -> None:
    deep = Candidate(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "s", None)

    assert not matcher(Match("a", QueryValue(("x",))), text="a:x", now=NOW)(deep)


def test_a_time_that_is_none_is_pointed_at() -> None:
    text = "service:a and @timestamp > soon"
    query: Query = Range("@timestamp", ">", "soon")

    with pytest.raises(QueryInvalid) as caught:
        matcher(query, text=text, now=NOW)

    assert (caught.value.column, caught.value.seen) == (28, "'soon' after @timestamp")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (7, "7"),
        (1.0, "1.0"),
        (1.5, "1.5"),
        (1e15, "1.0e+15"),
        (1e400, "Inf"),
        (1 << 64, "1.84467440737096e+19"),
    ],
)
def test_numbers_are_written_as_sqlite_casts_them(number: float, text: str) -> None:
    assert number_text(number) == text
