"""Stored documents read back from a real Elasticsearch: the same as from the embedded store."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.kql.parser import AllOf, AnyOf, Match, Negated, QueryValue, Range
from ptingest.model.explore import NEWEST_FIRST, OLDEST_FIRST, DocumentReader, Hit, Sort, View
from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.read import questions
from ptingest.sinks.elasticsearch.read import reader as reading
from ptingest.sinks.elasticsearch.read.reader import ElasticsearchReader, ReadLimits
from ptingest.sinks.store.read.pool import StoreExplorer
from ptingest.sinks.store.schema import open_writer, transaction
from tests.peers.elasticsearch_peer import USUAL, Node, settings_for
from tests.peers.preparing import WRITER, clean, setup
from tests.support.store_documents import DJANGO, document, insert
from tests.support.store_queries import written

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

STREAMS = StreamNames(("logs-*-pt",))
KEYWORDS = ("service", "log_level", "group", "tags", "host.name")
TEXTS = ("django", "Django", "a", "b*", "[x", '{"a"', "ERROR", "żółć", "5", "-1.5", "or", "")
LINES = (
    "INFO|x|Parcel 42 created",
    "parcel created",
    "created parcel",
    "żółć!",
    "Ab",
    "a parcel; parcels - created",
)
TIMES = ("2025-01-01T00:00:00.000Z", "2025-01-01T23:59:59.999Z", "2025-01-02T03:04:05.678Z")
# A word goes on across a colon or a point between letters in Elasticsearch's index, and not in
# the store's: these stand apart.
APART = "INFO|apps.parcels.views|x|it's log_level"


def corpus() -> list[dict[str, Any]]:
    """Documents whose fields have the types that the shipped mapping gives them."""
    lists: list[Any] = [None, ["django", "ERROR"], [], ["a", None], ["5", "b*"]]
    texts = [*TEXTS, *lists]
    found: list[dict[str, Any]] = []
    for number, (text, line) in enumerate(product(texts, LINES)):
        one: dict[str, Any] = {
            "@timestamp": TIMES[number % len(TIMES)],
            "n": number,
            "message": line,
            "log": {"offset": number % 7 - 3},
        }
        name = KEYWORDS[number % len(KEYWORDS)]
        one |= {"host": {"name": text}} if name == "host.name" else {name: text}
        if number % 3 == 0:
            one["log_message"] = [line, LINES[number % len(LINES)]]
        if number % 2:
            one["host"] = {**one.get("host", {}), "containerized": number % 4 == 1}
        if number % 5 == 0:
            one["data_stream"] = {"dataset": "django"}
        found.append(one)
    return found


@pytest.fixture(scope="module")
def node(bare_elasticsearch: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Prepared by `ptingest setup`, with the documents of ``corpus``."""
    clean(bare_elasticsearch)
    assert setup(bare_elasticsearch, folder=tmp_path_factory.mktemp("setup")).code == 0
    lines = []
    for number, one in enumerate(corpus()):
        lines += [{"create": {"_id": f"key{number}"}}, one]
    bulk = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    answer = bare_elasticsearch.must("POST", "/logs-django-pt/_bulk?refresh=true", bulk)
    assert not answer["errors"], answer
    yield bare_elasticsearch
    clean(bare_elasticsearch)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    writer = open_writer(path)
    with transaction(writer):
        insert(
            writer,
            [document(one, key=f"key{n}", data_stream=DJANGO) for n, one in enumerate(corpus())],
        )
    writer.close()
    return path


def reader_of(node: Node, login: tuple[str, str] = WRITER, **limits: Any) -> ElasticsearchReader:
    user, password = login
    sink = settings_for(node, username=user, password=password)
    return ElasticsearchReader(sink, streams=lambda: STREAMS, limits=ReadLimits(**limits))


@pytest.fixture
async def reader(node: Node) -> AsyncIterator[ElasticsearchReader]:
    reader = reader_of(node)
    yield reader
    await reader.close()


async def keys(reader: DocumentReader, query: str) -> set[str]:
    return {str(hit.key) async for hits in reader.search(View(query)) for hit in hits}


# --- the same documents -------------------------------------------------------------------

pieces = st.sampled_from(
    ["django", "Djan", "a", "*", "b", "ERR", "żół", "5", '"', "\\", "or", "[x"]
)
values = st.builds(
    QueryValue, st.lists(pieces, min_size=1, max_size=1).map(tuple), st.booleans()
) | st.lists(pieces | st.just(""), min_size=2, max_size=3).map(
    lambda parts: QueryValue(tuple(parts))
)
words = st.builds(
    QueryValue,
    st.sampled_from(
        ["parcel created", "parcels 42", "Parcel", "żółć", "created parcel", "!", "a", "x", "ab 42"]
    ).map(lambda text: (text,)),
    st.booleans(),
) | st.sampled_from(
    [("par", ""), ("", "cel"), ("p", "l"), ("x|par", ""), ("info|x|p", ""), ("", ""), ("!", "")]
).map(QueryValue)
numbers = st.sampled_from(["0", "-3", "2", "2.0", "1.5", "abc", "9" * 30])
operators = st.sampled_from(["<", "<=", ">", ">="])
moments = st.sampled_from(["2025", "2025-01-01", "2025-01-02T03:04:05.678Z", "2025-01-02T03:04"])
keyword = st.sampled_from(KEYWORDS)
leaves = (
    st.builds(Match, keyword, values)
    | st.builds(Match, st.sampled_from(["message", "log_message"]) | st.none(), words)
    | st.builds(Match, st.just("log.offset"), numbers.map(lambda one: QueryValue((one,))))
    | st.builds(
        Match,
        st.just("host.containerized"),
        st.sampled_from(["true", "false", "5"]).map(lambda one: QueryValue((one,))),
    )
    | st.builds(
        Match,
        st.sampled_from([*KEYWORDS, "message", "log_message", "log.offset", "log", "nothing"]),
        st.just(QueryValue(("", ""))),
    )
    | st.builds(Match, st.just("nothing"), values)
    | st.builds(Range, keyword, operators, st.sampled_from(["a", "django", "5", "0", ""]))
    | st.builds(Range, st.just("log.offset"), operators, numbers)
    | st.builds(Range, st.just("@timestamp"), operators, moments)
)
queries = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Negated, inner)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(tuple(parts)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
    ),
    max_leaves=5,
)


@pytest.mark.every_release
def test_the_same_documents_are_found_by_the_store_and_by_elasticsearch(
    node: Node, path: Path
) -> None:
    loop = asyncio.new_event_loop()
    store, elasticsearch = StoreExplorer(path), reader_of(node)

    examples = 250 if node.release == USUAL else 60

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(query=queries)
    @example(query=Match("service", QueryValue(("",), True)))
    @example(query=Negated(Negated(Match("tags", QueryValue(("", ""))))))
    def agree(query: Any) -> None:
        text = written(query)
        assert loop.run_until_complete(keys(elasticsearch, text)) == loop.run_until_complete(
            keys(store, text)
        ), text

    try:
        agree()
    finally:
        loop.run_until_complete(elasticsearch.close())
        loop.run_until_complete(store.close())
        loop.close()


@pytest.mark.parametrize(
    ("query", "in_store", "in_elasticsearch"),
    [
        pytest.param("parcels", True, False, id="a word inside of a dotted one"),
        pytest.param("apps.parcels.views", True, True, id="the dotted one"),
        pytest.param("apps.parcels.*", True, True, id="its beginning"),
        pytest.param('message:"apps.parcels.views x"', True, True, id="it in a phrase"),
        pytest.param("s", True, False, id="what follows an apostrophe"),
        pytest.param("level", True, False, id="what follows an underscore"),
    ],
)
async def test_words_are_those_of_the_index(
    node: Node, tmp_path: Path, query: str, in_store: bool, in_elasticsearch: bool
) -> None:
    """What the hints of the reader and docs/elasticsearch.md say of words."""
    one = {"@timestamp": TIMES[0], "message": APART}
    node.must("POST", "/logs-apart-pt/_doc?refresh=true", one)
    writer = open_writer(tmp_path / "store.sqlite")
    with transaction(writer):
        insert(writer, [document(one)])
    writer.close()
    store, elasticsearch = StoreExplorer(tmp_path / "store.sqlite"), reader_of(node)

    found = [
        await store.count(View(query)) > 0,
        await elasticsearch.count(View(query, data_stream="logs-apart-pt")) > 0,
    ]
    await store.close()
    await elasticsearch.close()
    node.must("DELETE", "/_data_stream/logs-apart-pt")

    assert found == [in_store, in_elasticsearch]


# --- pages, counts, orders ----------------------------------------------------------------


async def walked(reader: DocumentReader, view: View, limit: int) -> list[Hit]:
    hits: list[Hit] = []
    place: str | None = None
    while True:
        look = await reader.look(view, place=place, limit=limit, is_patient=True)
        hits += look.page.hits
        if look.page.next_place is None:
            return hits
        place = look.page.next_place


ORDERS: list[tuple[Sort, Callable[[dict[str, Any]], Any]]] = [
    (NEWEST_FIRST, lambda one: one["@timestamp"]),
    (OLDEST_FIRST, lambda one: one["@timestamp"]),
    (Sort("log.offset", True), lambda one: one["log"]["offset"]),
    (Sort("n"), lambda one: one["n"]),
]


@pytest.mark.every_release
@pytest.mark.parametrize(("sort", "of"), ORDERS)
async def test_pages_hold_every_document_once_in_order(
    reader: ElasticsearchReader, sort: Sort, of: Callable[[dict[str, Any]], Any]
) -> None:
    hits = await walked(reader, View(sort=sort), 17)
    exported = [hit async for page in reader.export(View(sort=sort)) for hit in page]

    bodies = [json.loads(hit.body) for hit in hits]
    found = [of(one) for one in bodies]
    assert sorted(one["n"] for one in bodies) == list(range(len(corpus())))
    assert found == sorted(found, reverse=not sort.is_ascending)
    assert [of(json.loads(hit.body)) for hit in exported] == found
    assert {hit.id for hit in exported} == {hit.id for hit in hits}


@pytest.mark.every_release
async def test_counts_are_those_of_the_store(reader: ElasticsearchReader, path: Path) -> None:
    store = StoreExplorer(path)
    view = View(
        "not service:a", "2024", "2026", facets=("service", "log_level", "tags", "host.name")
    )

    ours = (await reader.look(view, place=None, limit=1, is_patient=True)).counts
    theirs = (await store.look(view, place=None, limit=1, is_patient=True)).counts
    await store.close()

    assert (ours.documents, ours.is_whole, ours.step_seconds) == (
        theirs.documents, True, theirs.step_seconds,
    )  # fmt: skip
    assert [(bar.start, bar.end, sum(bar.levels.values())) for bar in ours.bars] == [
        (bar.start, bar.end, sum(bar.levels.values())) for bar in theirs.bars
    ]
    for one, other in zip(ours.facets, theirs.facets, strict=True):
        assert one.field == other.field
        # Which of the values that are equally frequent come among the ten is not said.
        assert [n for _, n in one.values][:5] == [n for _, n in other.values][:5]
        assert one.values[0] == other.values[0]


@pytest.mark.parametrize(
    "field", ["service", "tags", "log.offset", "host.containerized", "nothing"]
)
async def test_values_are_counted_as_the_store_counts_them(
    reader: ElasticsearchReader, path: Path, field: str
) -> None:
    store = StoreExplorer(path)

    ours = dict(await reader.count_by(View(), field))
    theirs = dict(await store.count_by(View(), field))
    await store.close()

    # The store counts a list that holds a null among those without a value as well.
    nulls = {"service": 2, "tags": 1}.get(field, 0)
    assert ours.pop(None, 0) == theirs.pop(None, 0) - nulls
    assert ours == theirs


async def test_data_streams_are_counted_by_their_names(reader: ElasticsearchReader) -> None:
    assert await reader.count_by(View(), "_index") == [("logs-django-pt", len(corpus()))]


async def test_the_newest_are_whole_and_oldest_first(
    reader: ElasticsearchReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "COUNTED_BACK", 10)
    every = [hit async for hits in reader.search(View()) for hit in hits]

    for limit in (1, 9, 25, len(every), len(every) + 5):
        newest = [hit async for hits in reader.search(View(), limit=limit) for hit in hits]
        assert [hit.id for hit in newest] == [hit.id for hit in every][-limit:]
    assert all(json.loads(hit.body)["n"] is not None for hit in every)


async def test_fields_and_values_are_completed(reader: ElasticsearchReader) -> None:
    fields = await reader.fields()
    values = await reader.values("service", beginning="DJ", limit=5)

    assert {"service", "log.file.path", "host.name", "_id"} <= set(fields)
    assert "event" not in fields
    assert {one.text for one in values} == {"django", "Django"}
    assert await reader.values("message", beginning="p", limit=5) == []


async def test_the_newest_time_is_told(reader: ElasticsearchReader) -> None:
    assert await reader.newest_time() == max(TIMES)


# --- one document, and what is stored next -------------------------------------------------


def line(offset: int, **more: Any) -> dict[str, Any]:
    return {
        "@timestamp": f"2025-01-03T00:00:{offset % 60:02d}.000Z",
        "agent": {"id": "a"},
        "log": {"offset": offset, "file": {"path": "/var/log/x.log", "inode": "7"}},
        "message": f"line {offset}",
        **more,
    }


def store_lines(node: Node, stream: str, lines: Sequence[dict[str, Any]]) -> None:
    rows = [row for n, one in enumerate(lines) for row in ({"create": {"_id": f"l{n}"}}, one)]
    bulk = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    assert not node.must("POST", f"/{stream}/_bulk?refresh=true", bulk)["errors"]


async def test_a_document_has_the_lines_around_it(node: Node, reader: ElasticsearchReader) -> None:
    other = {"log": {"offset": 150, "file": {"path": "/var/log/x.log", "inode": "8"}}}
    lines = [line(300), line(100), line(150) | other, line(200), line(400), line(0)]
    apart = [
        {"@timestamp": f"2025-01-03T00:01:0{n}.000Z", "message": f"no file {n}"} for n in range(4)
    ]
    store_lines(node, "logs-lines-pt", [*lines, *apart])

    async def around(query: str) -> tuple[list[str], list[str], str]:
        (hit,) = [
            h async for hs in reader.search(View(query, data_stream="logs-lines-pt")) for h in hs
        ]
        found = await reader.document(hit.id, around=2)
        assert found is not None
        assert found[0].body == hit.body
        texts = [
            [json.loads(one.body)["message"] for one in side]
            for side in (found[1].before, found[1].after)
        ]
        return texts[0], texts[1], found[1].basis

    try:
        assert await around('message:"line 300"') == (
            ["line 100", "line 200"], ["line 400"], "file",
        )  # fmt: skip
        assert await around('message:"no file 2"') == (
            ["no file 0", "no file 1"], ["no file 3"], "time",
        )  # fmt: skip
    finally:
        node.must("DELETE", "/_data_stream/logs-lines-pt")


async def test_only_data_streams_of_ours_are_read(node: Node) -> None:
    node.must("POST", "/elsewhere/_doc/secret?refresh=true", {"@timestamp": TIMES[0], "a": 1})
    root = reader_of(node, login=node.login or WRITER)

    found = await root.document("elsewhere/secret", around=1)
    seen = [hit.data_stream async for hits in root.search(View()) for hit in hits]
    await root.close()
    node.must("DELETE", "/elsewhere")

    assert found is None
    assert "elsewhere" not in seen


async def test_the_tail_gives_what_was_stored_since_whatever_its_time(
    node: Node, reader: ElasticsearchReader
) -> None:
    begin = await reader.position()
    none = await reader.tail(View(), after=begin, limit=10)
    store_lines(node, "logs-later-pt", [line(1), line(2, message="else"), line(3)])
    some = await reader.tail(View("line", since="1m"), after=begin, limit=10)
    cut = await reader.tail(View(), after=begin, limit=2)
    after = await reader.tail(View(), after=some.position, limit=10)
    node.must("DELETE", "/_data_stream/logs-later-pt")

    assert (none.hits, none.is_cut, none.position) == ([], False, begin)
    assert [json.loads(hit.body)["message"] for hit in some.hits] == ["line 1", "line 3"]
    assert (len(cut.hits), cut.is_cut) == (2, True)
    assert (after.hits, after.position) == ([], some.position)


# --- what goes wrong ----------------------------------------------------------------------


@pytest.mark.needs("users")
async def test_a_user_without_read_is_told_the_cure(node: Node) -> None:
    role = {"indices": [{"names": ["logs-*-pt"], "privileges": ["create_doc"]}]}
    node.must("PUT", "/_security/role/no_reader", role)
    user = {"password": "no-reader-password", "roles": ["no_reader"]}
    node.must("PUT", "/_security/user/no_reader", user)
    reader = reader_of(node, login=("no_reader", "no-reader-password"))

    with pytest.raises(SinkUnavailable, match=r"no_reader may not read logs-\*-pt: grant `read`"):
        await reader.look(View(), place=None, limit=1, is_patient=False)
    with pytest.raises(SinkUnavailable, match="may not read"):
        async for _ in reader.search(View("service:django")):
            pass
    await reader.close()
    node.must("DELETE", "/_security/user/no_reader")
    node.must("DELETE", "/_security/role/no_reader")


@pytest.mark.needs("users")
async def test_a_wrong_login_is_told(node: Node) -> None:
    reader = reader_of(node, login=("logstash_writer", "wrong-password"))

    with pytest.raises(SinkUnavailable, match=r"not take the login of logstash_writer \(401\)"):
        await reader.count(View())
    await reader.close()


async def test_a_node_that_hangs_is_given_up(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "GRACE_SECONDS", 0.5)
    reader = reader_of(node, seconds=0.5)
    await reader.newest_time()

    node.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(SinkUnavailable, match=r"no answer from .* within 1 s"):
            await reader.look(View(), place=None, limit=1, is_patient=False)
    finally:
        node.process.send_signal(signal.SIGCONT)
        await reader.close()


async def test_what_elasticsearch_has_no_search_for_is_refused(reader: ElasticsearchReader) -> None:
    for query in ("event.original:x", "_id:a*", "message > a"):
        with pytest.raises(QueryInvalid):
            await reader.count(View(query))
    for sort in (Sort("message"), Sort("event.original")):
        with pytest.raises(QueryInvalid):
            await reader.look(View(sort=sort), place=None, limit=1, is_patient=False)
    with pytest.raises(QueryInvalid):
        await reader.count_by(View(), "message")
